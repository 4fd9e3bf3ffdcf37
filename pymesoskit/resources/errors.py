"""The error of the resource algebra."""


class ResourcesError(ValueError):
    """Resources are malformed or invalid, or an operation is not possible with them.

    Where Mesos 1.11 has a text for the mistake, it is this text, word for word.
    """
