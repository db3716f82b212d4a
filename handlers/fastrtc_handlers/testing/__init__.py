"""For tests of agents: callers on virtual time, who hear what was sent; and what came of calls."""

from .agent_testing import agent_test, run_call
from .call import Call, NoReplyError
from .callers import (
    Backchannel,
    Caller,
    HangUp,
    Interrupt,
    Press,
    PushToTalk,
    Reply,
    Say,
    Step,
    Type,
    Wait,
    follow,
    persona,
    talk,
)
from .faults import Fault, ProviderDownError
from .report import CallReport, Report
from .scripts import CallScript, draw_call, run_calls
from .stand_ins import StandInSTT, StandInVAD, StandInVoice
from .tones import ToneSpeech, VocabularyError
from .turns import CallerTurn, Spoken

__all__ = [
    "Backchannel",
    "Call",
    "CallReport",
    "CallScript",
    "Caller",
    "CallerTurn",
    "Fault",
    "HangUp",
    "Interrupt",
    "NoReplyError",
    "Press",
    "ProviderDownError",
    "PushToTalk",
    "Reply",
    "Report",
    "Say",
    "Spoken",
    "StandInSTT",
    "StandInVAD",
    "StandInVoice",
    "Step",
    "ToneSpeech",
    "Type",
    "VocabularyError",
    "Wait",
    "agent_test",
    "draw_call",
    "follow",
    "persona",
    "run_call",
    "run_calls",
    "talk",
]
