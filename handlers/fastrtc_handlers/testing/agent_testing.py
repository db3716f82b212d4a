"""`agent_test`: a call to an agent, in a test."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastrtc_core import ConfigurationError, Speech, StreamHandlerBase
from fastrtc_core.testing import Line, connect, run_virtual

from ..agent import VoiceAgent
from ..agent.models import Models
from ..reply_on_pause import ReplyOnPause
from .call import Call
from .callers import Step, follow
from .faults import Fault, FaultyTool, faulty_model, faulty_stt, faulty_tts, plans
from .report import CallReport
from .stand_ins import StandInSTT, StandInVAD, StandInVoice
from .tones import ToneSpeech


@asynccontextmanager
async def agent_test(
    agent: StreamHandlerBase,
    *,
    loss: float = 0.0,
    jitter: float = 0.0,
    seed: int = 0,
    line: Line | None = None,
    faults: Sequence[Fault] = (),
    stand_ins: bool = True,
    voice: Any = None,
    ears: Any = None,
    params: Mapping[str, Any] | None = None,
    time_limit: float | None = None,
) -> AsyncIterator[Call]:
    """Call a copy of an agent, for as long as the context lasts.

    On virtual time (`run_virtual`) minutes pass at once, and always in the same way.

    Args:
        agent: A `VoiceAgent`, a `ReplyOnPause`, or any handler that listens and speaks.
        loss: Share of the packets that the line loses, both ways.
        jitter: How much longer in s a packet may take than the fastest.
        seed: Of what is lost and late.
        line: More of the line, in place of these three. Over a line, audio goes as Opus in RTP;
            without one, it is there at once, and tests run twice as fast.
        faults: What the agent's providers and tools do at times; those of a recogniser, a voice or
            a model that the agent does not have are left out.
        stand_ins: Whether the agent gets a stand-in for its detector of speech, its recogniser and
            its voice, where it has these: they are exact, and take no time.
        voice: Speaks what the caller says (see `TextToSpeech`); a stand-in by default. Give one if
            the agent keeps its own recogniser.
        ears: Recognises what the agent says (see `STTModel`), where it keeps its own voice.
        params: Parameters that come with the offer.
        time_limit: As of `Stream`, in s.

    Raises:
        AssertionError: Whatever the test raises, with the conversation as a note.
        ConfigurationError: If a fault is one of a tool that the agent does not have.
    """
    if line is None and (loss or jitter):
        line = Line(loss=loss, jitter=jitter, seed=seed)
    speech = ToneSpeech()
    async with connect(agent, line=line, params=params, time_limit=time_limit, id="test") as peer:
        call = Call(peer, speech, voice, ears, 0.0 if line is None else line.delay)
        # Nothing of the session has run yet.
        if stand_ins:
            _replace(call.agent, speech)
        _break(call.agent, faults, lambda: call.now)
        if stand_ins:
            _keep_voice(call.agent, speech)
        _watch(call)
        call.pick_up()
        try:
            yield call
        except Exception as error:
            await call.hang_up()
            error.add_note(str(call))
            raise
        finally:
            await call.hang_up()


def run_call(
    agent: StreamHandlerBase,
    caller: Iterable[Step] | Callable[[Call], Awaitable[Any]],
    **options: Any,
) -> CallReport:
    """Make a call on virtual time, outside of any event loop.

    Args:
        agent: Who is called.
        caller: What the caller does: steps, or a coroutine function that is given the call.
        options: Of `agent_test`.

    Raises:
        NoReplyError: If the agent does not answer.
    """

    async def run() -> CallReport:
        async with agent_test(agent, **options) as call:
            await (caller(call) if callable(caller) else follow(call, caller))
        return CallReport.of(call)

    return run_virtual(run())


def _replace(agent: StreamHandlerBase, speech: ToneSpeech) -> None:
    """Give an agent a stand-in for each thing that hears or speaks."""
    if getattr(agent, "tts", None) is not None:
        agent.tts = StandInVoice(speech)
    if not isinstance(agent, ReplyOnPause):
        return
    agent._vad = StandInVAD()
    if agent.stt is not None:
        agent.stt = StandInSTT(speech)


def _keep_voice(agent: Any, speech: ToneSpeech) -> None:
    """Have an agent speak as it does, or as a stand-in, when it has handed over to another."""
    if not isinstance(agent, VoiceAgent):
        return
    hand_over, voice = agent.hand_over, agent.tts or StandInVoice(speech)

    def handed_over(other: VoiceAgent) -> None:
        hand_over(other)
        if agent.tts is not None:
            agent.tts = voice

    agent.hand_over = handed_over  # type: ignore[method-assign]


def _break(agent: Any, faults: Sequence[Fault], clock: Callable[[], float]) -> None:
    """Have the providers of an agent fail as they should."""
    plan_of = plans(faults, clock)
    tools = agent._tools if isinstance(agent, VoiceAgent) else {}
    for of in (fault.of for fault in faults):
        if of not in ("stt", "tts", "model", *tools) and not of.startswith("model:"):
            raise ConfigurationError(f"The agent has no tool {of!r} that could fail")
    for name, faulty in (("stt", faulty_stt), ("tts", faulty_tts)):
        provider = getattr(agent, name, None)
        if provider is not None and (plan := plan_of(name)) is not None:
            setattr(agent, name, faulty(provider, plan))
    if not isinstance(agent, VoiceAgent):
        return
    models = []
    for number, model in enumerate(agent.models.all):
        plan = plan_of("model", f"model:{number}")
        models.append(model if plan is None else faulty_model(model, plan))
    agent.models = Models(models)
    for name, tool in agent._tools.items():
        if (plan := plan_of(name)) is not None:
            agent._tools[name] = FaultyTool.of(tool, plan)


def _watch(call: Call) -> None:
    """Have the call told of what its agent does."""
    agent: Any = call.agent
    say = agent.say

    def noted(*args: Any, **options: Any) -> Speech:
        speech: Speech = say(*args, **options)
        call.note_speech(speech)
        return speech

    agent.say = noted
    if type(agent).receive is ReplyOnPause.receive:
        # It does not block: on virtual time a thread of its own would only take longer.
        listen = agent.receive

        async def receive(frame: Any) -> None:
            listen(frame)

        agent.receive = receive
    call.peer.session.turns.observe(call.note_turn)
    if isinstance(call.agent, VoiceAgent):
        agent.on_status = _after(agent.on_status, call.note_state)


def _after(hook: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(hook)
    def both(*args: Any) -> Any:
        note(*args)
        return hook(*args)

    return both
