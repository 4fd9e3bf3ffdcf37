"""The one error of the resource algebra."""


class ResourcesError(ValueError):
    """Resources that are malformed, invalid, or do not allow what was asked of them.

    The text is the one that Mesos 1.11 gives for the same mistake, so that it can be passed on as it is
    (in a status message, an HTTP body, an error at start-up).
    """
