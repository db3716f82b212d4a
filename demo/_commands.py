"""A household that obeys: the grammar of its commands, and what it answers."""

import random
import time

SENTENCES = """
    turn (on | off) the (light | radio | heating)
  | what time is it
  | set a timer for <number> minutes
  | how is the weather
  | tell me a joke
  | say something long
"""

GRAMMAR = """#JSGF V1.0;
grammar commands;
public <command> = {sentences};
<number> = one | two | three | four | five | six | seven | eight | nine | ten | twenty | thirty;
"""

EXAMPLES = (
    "“Turn on the light”, “What time is it”, “Set a timer for five minutes”, “Tell me a joke”"
)

JOKES = [
    "Why do programmers prefer dark rooms? Because light attracts bugs.",
    "I would tell you a joke about U D P, but you might not get it.",
]

LONG = (
    "Very well. I am going to speak for a while, so that you can interrupt me. Just begin to talk. "
    "I fall silent at once, and listen. A cough does not stop me, nor does a short yeah. "
    "If you let me go on, I shall count. One. Two. Three. Four. Five. Six. Seven. Eight. Nine. "
    "Ten. That was all. Thank you for your patience."
)


def answer(command: str) -> str:
    """What the household says to a command, as it was recognised."""
    words = command.split()
    if words[:1] == ["turn"]:
        return f"The {words[-1]} is {words[1]}."
    if words[:2] == ["what", "time"]:
        return time.strftime("It is %H %M.")
    if words[:2] == ["set", "a"]:
        return f"A timer for {words[4]} minutes. It starts now."
    if "weather" in words:
        return "I cannot see a window from here, but it sounds dry."
    if "joke" in words:
        return random.choice(JOKES)
    if "long" in words:
        return LONG
    return "I did not understand that. Ask me for the time, or tell me to turn on the light."
