"""What declarai_like is, in one minute: typed functions that a language model answers.

Run it with `make demo`. It needs no key: a tiny model (135 million parameters) runs in this process, fast, not wise.
"""

from time import perf_counter

import declarai_like as declarai

llm = declarai.local()  # for OpenAI's models only this line changes: declarai.openai(model="gpt-4o-mini")


@llm.task(streaming=True, llm_params={"temperature": 0.2, "max_tokens": 100})
def say_something_about_movie(movie: str) -> str:
    """
    Say something short about the following movie
    :param movie: The movie name
    """
    return declarai.magic(movie)


@llm.task(llm_params={"temperature": 0})
def rank(message: str) -> int:
    """
    Rank the severity of the provided message by its urgency, from 1 to 5
    :param message: The message to rank
    :return: The urgency of the message
    """
    return declarai.magic(message)


def get_weather(city: str) -> int:
    """Look up how warm it is in a city, in degrees Celsius"""
    return {"Paris": 18, "Oslo": 4}.get(city, 10)


# A tiny model is made to call once, then to answer; a larger one decides for itself.
@llm.task(tools=[get_weather], max_rounds=1, at_limit="answer", tool_choice="required", llm_params={"temperature": 0})
def how_warm(city: str) -> int:
    """How warm is it in {city} now, in degrees Celsius?"""
    return llm.magic(city)


def main() -> None:
    print('say_something_about_movie(movie="Avengers")')
    start, first, tokens = perf_counter(), 0.0, 0
    for chunk in say_something_about_movie(movie="Avengers"):  # each chunk also holds the text so far: .response
        if chunk.content and not first:
            first = perf_counter()
        print(chunk.content, end="", flush=True)
        tokens = chunk.completion_tokens or 0
    end = perf_counter()

    urgency = rank(message="The server is down!")  # an int, since the model could not write anything else
    print(f'\n\nrank(message="The server is down!")\n{urgency!r}\n')

    warm = how_warm.run(city="Paris")  # the model calls our function before it answers
    called = ", ".join(f"{call.name}({call.arguments}) gave {call.value}" for call in warm.calls)
    print(f'how_warm(city="Paris")\n{warm.value!r}, for {called}\n')

    print(f"({first - start:.1f} s to load and begin, then {tokens} tokens at {tokens / (end - first):.0f} a second)")


if __name__ == "__main__":
    main()
