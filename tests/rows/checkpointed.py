"""A map with a checkpoint in a process of its own: `python checkpointed.py BASE_URL FILE ROWS [CONCURRENCY]`.

It prints `done` and the sum of all values when all rows have been given, or the name of the error.
"""

import sys

import declarai_like as declarai
from declarai_like import errors

base_url, file, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
concurrency = int(sys.argv[4]) if len(sys.argv) > 4 else 8
llm = declarai.openai(model="m", base_url=base_url, openai_token="k", max_retries=2)


@llm.task
def size(message: str) -> int:
    """Count the characters"""


def main() -> None:
    rows = size.map((f"{number:06}" for number in range(count)), checkpoint=file, concurrency=concurrency)
    try:
        values = [row.value for row in rows]
    except errors.DeclaraiError as error:
        sys.stdout.write(type(error).__name__)
    else:
        sys.stdout.write(f"done {len(values)} {sum(values)}")


if __name__ == "__main__":
    main()
