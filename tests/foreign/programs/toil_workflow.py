"""A workflow of toil: four jobs in parallel, then one that adds up what they found. Toil's own executor runs them."""

from toil.common import Toil
from toil.job import Job

NEEDS = {"memory": "64M", "cores": 1, "disk": "10M"}


def square(job, number):
    return number * number


def add_up(job, squares):
    return sum(squares)


def start(job, count):
    squares = [job.addChildJobFn(square, number, **NEEDS).rv() for number in range(count)]
    return job.addFollowOnJobFn(add_up, squares, **NEEDS).rv()


if __name__ == "__main__":
    options = Job.Runner.getDefaultArgumentParser().parse_args()
    with Toil(options) as toil:
        print("the sum is", toil.start(Job.wrapJobFn(start, 4, **NEEDS)))
