"""A few examples teach the model what is wanted: a docstring with Jinja in it is the whole prompt."""

import os
from typing import Literal

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()

Sentiment = Literal["positive", "neutral", "negative"]
EXAMPLES: list[tuple[str, Sentiment]] = [
    ("I love this lamp, it changed my evenings", "positive"),
    ("It is a lamp", "neutral"),
    ("It broke after two days and nobody answers", "negative"),
]


@llm.task(llm_params={"temperature": 0})
def sentiment(text: str, examples: list[tuple[str, Sentiment]]) -> Sentiment:
    """
    Classify the sentiment of the text.
    {% for text, label in examples %}
    Text: {{ text }}
    Sentiment: {{ label }}
    {% endfor %}
    Text: {{ text }}
    Sentiment:
    """
    return llm.magic(text, examples)


def main() -> None:
    print(sentiment.compile(text="What a wonderful present!", examples=EXAMPLES)["messages"][-1], end="\n\n")
    for text in ("What a wonderful present!", "I want my money back.", "It came on Tuesday."):
        print(f"{sentiment(text, examples=EXAMPLES):<10}{text}")


if __name__ == "__main__":
    main()
