"""Text appears while the model writes it: `python examples/movie_stream.py Avengers`."""

import os
import sys

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()


@llm.task(streaming=True, llm_params={"temperature": 0, "max_tokens": 60})
def say_something_about_movie(movie: str) -> str:
    """Say something short about the following movie"""
    return llm.magic(movie)


def main(movie: str = "Avengers") -> None:
    for chunk in say_something_about_movie(movie):  # a real generator: leaving the loop closes the connection
        print(chunk.content, end="", flush=True)  # .response is the text so far, .raw_response the provider's chunk
        if chunk.outcome != "streaming":  # the last one
            print(f"\n\n[{chunk.outcome}: {chunk.completion_tokens} tokens by {chunk.model}]")


if __name__ == "__main__":
    main(*sys.argv[1:2])
