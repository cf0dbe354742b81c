"""A model that calls a Python function: typed, validated, and run once. It needs no key: `declarai-like pull` first."""

import declarai_like as declarai

llm = declarai.local(llm_params={"temperature": 0, "max_tokens": 60})

FORECASTS = {"Paris": 18, "Oslo": 4}


def get_weather(city: str) -> int:
    """Look up how warm it is in a city

    :param city: The name of the city
    :return: The temperature in degrees Celsius
    """
    return FORECASTS.get(city, 10)


# A tiny model is made to call once, then to answer; a larger one decides for itself.
@llm.task(tools=[get_weather], tool_choice="required", max_rounds=1, at_limit="answer")
def how_warm(city: str) -> int:
    """How warm is it in {city} now, in degrees Celsius?"""
    return llm.magic(city)


def main() -> None:
    result = how_warm.run("Paris")
    for call in result.calls:
        print(f"{call.name}({call.arguments}) gave {call.value!r} in round {call.round}")
    print(f"how_warm('Paris') is {result.value!r}, after {result.rounds} requests")


if __name__ == "__main__":
    main()
