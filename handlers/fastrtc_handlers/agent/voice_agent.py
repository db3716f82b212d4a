"""`VoiceAgent`: speech to text, a language model with tools, text to speech."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

from fastrtc_core import (
    AudioFrame,
    ConfigurationError,
    Context,
    LiveTurn,
    Playback,
    Speech,
    StreamHandlerBase,
    get_current_context,
    get_current_turn,
)
from fastrtc_core.toolkit import Function, Sentences, SessionThread, guarded, model_name

from ..reply_on_pause import ReplyOnPause
from ..stt import LiveSTTModel, StreamingSTTModel, STTModel
from ..stt.live import TurnWords, as_live
from ..turns import TurnEnd
from ..vad import VAD
from .draft import Draft, Drafts
from .history import Exchange, History
from .idle import IdlePrompts
from .limits import AgentLimits
from .listening import Listening
from .mcp_servers import MCPConnection, MCPServer
from .memory import Memory, as_memory
from .models import Answer, Message, Model, Models
from .tools import Tool, as_tool
from .turn import State, Turn

logger = logging.getLogger(__name__)


class VoiceAgent(ReplyOnPause):
    """Listens, asks a language model, calls its tools, and says the answer.

    The history holds what was heard: of an answer that was interrupted, the words up to there.
    Turns that are typed are answered as well, and the messages of a client are those of
    `ReplyOnPause`. Methods of a subclass that are decorated with `tool` are tools.

    The client is told what goes on in a `log` of `agent` (its `state` is `listening`, `thinking`,
    `speaking`, or `tool` with the name under `tool`), what a tool does in a `status`, what was said
    in messages `transcript`, and after each turn how it went in a `turn_record`.

    Args:
        instructions: What the model is told first; a text, or a function of the `Context`, which
            is called for each answer.
        model: A function that takes the history and returns or yields text and `ToolCall`s (see
            `Model`), or the name of a model of OpenAI; of several, the next is asked where one
            fails before it has begun to answer.
        stt: What recognises the words of a turn, and of who speaks while the agent is heard.
            Without one, only what is typed is answered. One that recognises while the user speaks
            (`LiveSTTModel`, or `StreamingSTTModel`) knows the words when the turn is over; they
            are shown as they come, and told to a `ReadingTurnDetector`.
        tts: The voice.
        tools: Functions that the model may call; see `tool`.
        greeting: What is said when a session begins: a text, or whatever else `say` takes; a
            function may take the agent. The history keeps it.
        memory: Keeps the history of each user from one session to the next; a `dict` will do.
        memory_key: A function of the `Context` that tells users apart; its `user` by default.
            Of `None`, nothing is kept.
        idle_prompt: What is said when nobody has said anything for `idle_after`; of several, each
            in its turn, until the user says something.
        idle_after: In s.
        mcp_servers: Servers whose tools the model may call as well.
        name: Of the agent, for those that hand over to it.
        limits: How long it waits, and how much it does.
        vad: A detector of speech; `SileroVAD` by default.
        options: More arguments of `ReplyOnPause`.

    Raises:
        ConfigurationError: If arguments contradict each other, or a tool has no schema.
    """

    carried_settings = (
        *ReplyOnPause.carried_settings,
        "instructions",
        "greeting",
        "idle_prompt",
        "idle_after",
        "limits",
    )

    def __init__(
        self,
        instructions: str | Callable[[Context], Any] = "",
        *,
        model: Model | str | Sequence[Model | str],
        stt: STTModel | StreamingSTTModel | LiveSTTModel | None = None,
        tts: Any = None,
        tools: Sequence[Callable[..., Any] | Tool] = (),
        greeting: Any = None,
        memory: Memory | MutableMapping[Any, list[Message]] | None = None,
        memory_key: Callable[[Context], Any] = lambda context: context.user,
        idle_prompt: str | Sequence[str] = (),
        idle_after: float = 15.0,
        mcp_servers: Sequence[MCPServer | str | Any] = (),
        name: str = "",
        limits: AgentLimits | None = None,
        vad: VAD | None = None,
        **options: Any,
    ) -> None:
        recogniser: Any = stt
        super().__init__(_unused, model=vad, stt=recogniser, tts=tts, **options)
        self.instructions = instructions
        self.models = Models(model)
        self.greeting = greeting
        self.idle_prompt = idle_prompt
        self.idle_after = idle_after
        self.name = name or type(self).__name__
        self.limits = limits or AgentLimits()
        self.state: State = "listening"
        self._tools = _by_name([*self._own_tools(), *map(as_tool, tools)])
        self._mcp_servers = [MCPServer(url=s) if isinstance(s, str) else s for s in mcp_servers]
        self._mcp_tools: dict[str, Tool] = {}
        self._memory = as_memory(memory)
        self._memory_key = memory_key
        self._user: Any = None
        self._save: asyncio.Event | None = None
        self._history = History(self.limits.messages, self.limits.characters)
        self._latest: Turn | None = None
        self._drafts = Drafts(self._ask_for, self.keep)
        self._listening: Listening | None = None
        self._ready = asyncio.Event()
        self._idle: IdlePrompts | None = None

    # What an application may call or override

    @property
    def history(self) -> list[Message]:
        """What was said so far, as far as it was heard, in the form of OpenAI's chat completions.

        It is a copy; the turn that is being answered is not in it.
        """
        return [dict(message) for message in self._history.messages]

    def announce(self, source: Any, **options: Any) -> Speech:
        """Say something of one's own accord, and remember what was heard of it.

        Args:
            source: A text, or whatever else `say` takes.
            options: Of `say`.

        Returns:
            A handle that can be awaited and cancelled.
        """
        speech = self.say(source, **options)

        def follow() -> None:
            speech.when_heard(lambda: self.show("speaking"))
            speech.when_done(self._announced)

        self.loop.call_soon_threadsafe(follow)
        return speech

    def hand_over(self, other: VoiceAgent) -> None:
        """Go on as another agent, with its instructions, models, tools and voice.

        The history stays. A tool that returns an agent does the same, and the other agent answers.
        Called on the event loop.

        Args:
            other: An agent that was made for this, and is served nowhere itself.
        """
        other = other.copy()
        other._link = self._link  # its own methods, as tools, work on this session
        self.instructions, self.models, self.name = other.instructions, other.models, other.name
        self._tools = other._tools
        if other.tts is not None:
            self.tts = other.tts
        self._mcp_servers, self._mcp_tools = other._mcp_servers, {}
        if self._mcp_servers:
            self._ready.clear()
            self.create_task(self._connect_all())

    @property
    def dropped_audio(self) -> float:
        """How much audio in s an `stt` that recognises while the user speaks was too slow for."""
        return 0.0 if self._listening is None else self._listening.dropped

    def on_status(self, state: State, tool: str) -> Any:
        """Called when the agent goes over to something else; for subclasses. It does not wait."""

    def on_history(self, messages: list[Message]) -> Any:
        """Called when the history has changed; for subclasses. It does not wait."""

    # What the session calls

    async def start_up(self) -> None:
        """Remember the user, greet, and connect to MCP servers, while frames come in already."""
        self._listening = self._listens()
        await super().start_up()
        prompts = [self.idle_prompt] if isinstance(self.idle_prompt, str) else self.idle_prompt
        self._idle = IdlePrompts(
            tuple(prompts), self.idle_after, self.announce, lambda: self.turns.in_turn
        )
        self.show("listening")
        self.create_task(self._prepare())

    async def shutdown(self) -> None:
        """Keep what was said last."""
        super().shutdown()
        self._drafts.drop()
        if self._idle is not None:
            self._idle.stop()
        if self._save is not None and self._save.is_set():
            await self._save_once()

    # Turns

    def _turn_to_answer(self, ended: TurnEnd | None, text: str, goes_on: bool) -> LiveTurn:
        draft = self._drafts.current if self.turns.draft_holds and not goes_on else None
        if draft is not None and draft.typed == text:
            return draft.turn
        return super()._turn_to_answer(ended, text, goes_on)

    def _reply_to(self, turn: LiveTurn, audio: AudioFrame, text: str, goes_on: bool) -> Any:
        turn.reach("stt" if audio.samples_per_channel else "model")
        words = None
        if self._listening is not None:
            end = self.turns.latest_end if audio.samples_per_channel else None
            paused = end is not None and end.reason == "silence"
            words = self._listening.hand_over(end.silence if end is not None and paused else 0.0)
        return functools.partial(self._take_turn, _Taken(audio, text, goes_on, turn, words))

    async def _take_turn(self, taken: _Taken) -> Any:
        """What is said to a turn."""
        speech = self.speech
        if speech is None:
            return None  # the session ends
        if taken.goes_on and self._latest is not None:
            self._history.take_back(self._latest.exchange)
        self._latest = turn = Turn(self, speech, taken.turn)
        draft = self._drafts.take(taken.turn)
        if draft is not None:
            adopted = draft
            speech.when_done(lambda _: adopted.discard())
        speech.when_heard(lambda: self.show("speaking"))
        speech.when_done(functools.partial(self._settle, turn))
        pieces = turn.pieces(functools.partial(self._listen_to, taken, draft), draft)
        return pieces if self.sends_audio else self._written(pieces, speech)

    async def _written(self, pieces: AsyncGenerator[Any], speech: Speech) -> AsyncGenerator[Any]:
        """What is said, for a client that hears nothing: as transcripts alone."""
        sentences = Sentences()

        def write(sentence: str) -> None:
            speech.said += f" {sentence}"
            self._transcribe("assistant", sentence)

        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                if not isinstance(piece, str):
                    yield piece
                    continue
                for sentence in sentences.push(piece):
                    write(sentence)
        for sentence in sentences.flush():
            write(sentence)

    def _transcribe(self, role: str, text: str, *, final: bool = True) -> None:
        said = {"role": role, "text": text, "final": final}
        self.post_message({"type": "transcript", "data": said})

    async def _listen_to(self, taken: _Taken, draft: Draft | None) -> str:
        """Tell what the user said and typed."""
        said = ""
        try:
            if self._listening is not None and taken.audio.samples_per_channel:
                spoken = await self._listening.words(taken.words, taken.audio)
                said = f"{spoken} {taken.text}".strip()
                taken.turn.models["stt"] = model_name(self.stt)
                taken.turn.reach("model")
            elif draft is not None:
                said = await draft.words()
            else:
                said = await self._words_of(taken.audio, taken.text)
        finally:
            if said or (taken.words is not None and taken.words.shown is not None):
                self._transcribe("user", said)
        return said

    async def _words_of(self, audio: AudioFrame, text: str) -> str:
        spoken, turn = "", get_current_turn()
        if audio.samples_per_channel and self.stt is not None:
            if turn is not None:
                turn.reach("stt")
                turn.models["stt"] = model_name(self.stt)
            spoken = await self._recognise_turn(self.stt, audio)
        if turn is not None:
            turn.reach("model")
        return f"{spoken} {text}".strip()

    async def _recognise_turn(self, stt: Any, audio: AudioFrame) -> str:
        if inspect.iscoroutinefunction(stt.stt):
            return str(await guarded(stt.stt(audio))).strip()
        thread = SessionThread("stt")
        try:
            return str(await thread.run(stt.stt, audio)).strip()
        finally:
            thread.close()

    def _begin_draft(self, audio: AudioFrame) -> None:
        # What the turn before said is still in the history, and part of this one.
        goes_on = self._text_goes_on or self.turns.taken_back > self._taken_back
        if self.stt is not None and not goes_on:
            turn = self._open_turn(self.turns.observe().pause)
            listen = functools.partial(self._words_of, audio, self._text)
            if self._listening is not None:
                listen = functools.partial(self._draft_words, self._text)
            self.loop.call_soon_threadsafe(self._drafts.begin, self._text, turn, listen)

    def _discard_draft(self) -> None:
        self.loop.call_soon_threadsafe(self._drafts.drop)

    async def _draft_words(self, text: str) -> str:
        assert self._listening is not None
        words, turn = self._listening.current, get_current_turn()
        if turn is not None:
            turn.reach("stt")
        spoken = "" if words is None else await self._listening.draft_words(words)
        if turn is not None:
            turn.reach("model")
        return f"{spoken} {text}".strip()

    async def _ask_for(self, words: str) -> AsyncGenerator[Answer]:
        """Ask the model, as a turn would first."""
        messages = [*await self.prompt(), {"role": "user", "content": words}]
        tools = [tool.schema for tool in self.toolbox.values()]
        return self.models.ask(messages, tools, patience=self.limits.model)

    def determine_reply(self, audio: AudioFrame) -> bool:
        """Without a recogniser, nothing that is spoken is answered."""
        return self.stt is not None

    def _settle(self, turn: Turn, playback: Playback) -> None:
        turn.settle(playback)
        self._history.add(turn.exchange)
        self.show("listening")
        self.changed()

    def _announced(self, playback: Playback) -> None:
        if playback.text:
            said = {"role": "assistant", "content": playback.text}
            self._history.add(Exchange([said]))
            self.changed()
        self.show("listening")

    def _log(self, event: str, **more: Any) -> None:
        super()._log(event, **more)
        if event == "started_talking" and self._idle is not None:
            self.loop.call_soon_threadsafe(self._idle.hear)

    # While the user speaks

    def _listens(self) -> Listening | None:
        """What follows the words of the user, where the recogniser tells them as they come."""
        model = as_live(self.stt)
        if model is None:
            return None
        return Listening(
            model, self.turns, self.limits, self.loop, self.keep, self._show_words, self._unshow
        )

    def _take_in(self, frame: AudioFrame) -> None:
        listening = self._listening
        if listening is None:
            super()._take_in(frame)
            return
        listening.hear(frame)
        super()._take_in(frame)
        listening.follow()

    def _show_words(self, words: TurnWords) -> None:
        self._drafts.reconsider(words.text)
        if self.turns.has_floor and words.text != words.shown:
            words.shown = words.text
            self._transcribe("user", words.text, final=False)

    def _unshow(self, words: TurnWords) -> None:
        if words.shown is not None:
            self._transcribe("user", "")

    def _begin_to_confirm(self, audio: AudioFrame) -> None:
        if self._listening is None:
            super()._begin_to_confirm(audio)
        elif self._listening.current is not None:
            with contextlib.suppress(RuntimeError):  # the session has ended meanwhile
                self.create_task(self._confirm_words(self._listening.current, audio))

    async def _confirm_words(self, words: TurnWords, audio: AudioFrame) -> None:
        assert self._listening is not None
        said: asyncio.Future[str] = self.loop.create_future()
        try:
            said.set_result(await self._listening.words_beside(words, self._interrupts))
        except Exception as error:
            said.set_exception(error)
        confirm = functools.partial(self._confirm, lambda _: said.result(), audio)
        await self.loop.run_in_executor(self._recognition, confirm)

    # What a turn asks for

    @property
    def toolbox(self) -> Mapping[str, Tool]:
        """What the model may call, by name."""
        return {**self._mcp_tools, **self._tools}

    @property
    def handler(self) -> StreamHandlerBase:
        """What tools get that ask for the agent."""
        return self

    async def prompt(self) -> list[Message]:
        """The instructions, and what was said before."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.limits.start):
                await self._ready.wait()
        told = self.instructions
        if callable(told):
            told = await _called(told, get_current_context())
        system = [{"role": "system", "content": str(told)}] if told else []
        return [*system, *self.history]

    def show(self, state: State, tool: Tool | None = None) -> None:
        """Tell the client and the application what goes on."""
        before, self.state = self.state, state
        if self._idle is not None:
            if state == "thinking":
                self._idle.hear()
            if state == "listening":
                self._idle.rest()
            else:
                self._idle.stop()
        if tool is not None or before == "tool":
            self.post_message({"type": "status", "data": "" if tool is None else tool.status})
        called = {} if tool is None else {"tool": tool.name}
        self._log("agent", state=state, **called)
        self._let_know(self.on_status, state, called.get("tool", ""))

    def take(self, result: Any) -> str | None:
        """Obey what a tool returned: another agent takes over."""
        if not isinstance(result, VoiceAgent):
            return None
        self.hand_over(result)
        return f"You are {self.name} now. Go on with the conversation."

    def keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run it until the session ends."""
        return self.create_task(work)

    def changed(self) -> None:
        """The history has changed."""
        if self._save is not None:
            self._save.set()
        self._let_know(self.on_history, self.history)

    def _let_know(self, hook: Callable[..., Any], *args: Any) -> None:
        """Call a hook of a subclass; what it raises must not end the turn in its middle."""
        try:
            hook(*args)
        except Exception:
            logger.exception("%s failed", hook.__name__)

    # The beginning and the end of a session

    async def _prepare(self) -> None:
        try:
            await self._remember()
        finally:
            self._greet_user()
            await self._connect_all()

    async def _remember(self) -> None:
        memory = self._memory
        self._user = self._memory_key(get_current_context())
        if memory is None or self._user is None:
            return
        async with asyncio.timeout(self.limits.start):
            messages = await _called(memory.load, self._user)
        self._history.load(messages or ())
        self._save = asyncio.Event()
        self.create_task(self._keep_saving())

    def _greet_user(self) -> None:
        greeting = self.greeting
        if callable(greeting):
            greeting = functools.partial(greeting, *Function(greeting, leading=0).pick((self,)))
        if greeting is not None and self.sends_audio:
            self.announce(greeting, interruptible=self.can_interrupt)

    async def _connect_all(self) -> None:
        """Connect to each server; one that fails is reported, and does without its tools."""
        try:
            connecting = [self.create_task(self._connect(server)) for server in self._mcp_servers]
            if connecting:
                await asyncio.wait(connecting)
        finally:
            self._ready.set()

    async def _connect(self, server: MCPServer | Any) -> None:
        connection = MCPConnection(server)
        running = self.create_task(connection.run())
        try:
            async with asyncio.timeout(self.limits.start):
                self._mcp_tools |= _by_name(await connection.tools())
        except BaseException:
            running.cancel()
            raise

    async def _keep_saving(self) -> None:
        assert self._save is not None
        while True:
            await self._save.wait()
            await self._save_once()

    async def _save_once(self) -> None:
        """Save what there is now; what changes meanwhile is saved next."""
        assert self._save is not None
        assert self._memory is not None
        self._save.clear()
        await _called(self._memory.save, self._user, self.history)

    def _own_tools(self) -> list[Tool]:
        """The methods that are tools, in the order in which they were written."""
        names: dict[str, None] = {}
        for cls in reversed(type(self).__mro__):
            names |= dict.fromkeys(n for n, v in vars(cls).items() if isinstance(v, Tool))
        found = [getattr(self, name) for name in names]
        return [each for each in found if isinstance(each, Tool)]


class _Taken(NamedTuple):
    """A turn of the user that is to be answered."""

    audio: AudioFrame
    text: str
    goes_on: bool
    """Whether the turn before is part of it."""
    turn: LiveTurn
    """Times the answer; it may be that of a draft."""
    words: TurnWords | None
    """What was recognised while it was said."""


def _unused() -> None:
    """Stands where `ReplyOnPause` has the function that replies."""


def _by_name(tools: Sequence[Tool]) -> dict[str, Tool]:
    found: dict[str, Tool] = {}
    for each in tools:
        if each.name in found:
            raise ConfigurationError(f"there are two tools called {each.name}")
        found[each.name] = each
    return found


async def _called(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of the application: on a thread, unless it is a coroutine."""
    if inspect.iscoroutinefunction(function):
        return await guarded(function(*args))
    thread = SessionThread("agent")
    try:
        result = await thread.run(function, *args)
    finally:
        thread.close()
    return await guarded(result) if inspect.isawaitable(result) else result
