"""Spark: the partitions of a frame are ranked by its workers."""

import os
import sys

from pyspark.sql import SparkSession

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()


@llm.task(llm_params={"temperature": 0})
def rank(message: str) -> int:
    """Rank the severity of the message, 1 is a wish and 5 an emergency"""
    return llm.magic(message)


def ranked(frames):
    return map(rank.frame(column="severity", workers=2), frames)


def main() -> None:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = SparkSession.builder.master("local[2]").getOrCreate()
    spark.sparkContext.addPyFile(__file__)  # workers import the task from this file
    frame = spark.createDataFrame([("There is a typo",), ("The shop is down!",)], "message string")
    rows = frame.mapInPandas(ranked, "message string, severity long, error string").collect()
    print(sorted(row.severity for row in rows))


if __name__ == "__main__":
    import spark_frame  # the name by which workers find it

    spark_frame.main()
