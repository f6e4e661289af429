"""Where the pages of dead letters and replays are."""

from __future__ import annotations

from django.urls import URLPattern, path

from dlq.console import amend, counted, discards, left_out, letters, overtaken, picked, replays
from events.console import paths

paths.register()

_LETTER = "dead-letters/<dlq:letter>/"
_GROUP = "dead-letters/groups/<uuid:group>/"

urlpatterns: list[URLPattern] = [
    path("dead-letters/", letters.dead_letters, name="dead-letters"),
    path("dead-letters/all/", letters.letters, name="dead-letters-all"),
    path("dead-letters/picked/", picked.picked, name="dead-letters-picked"),
    path(_GROUP, letters.group, name="dead-letter-group"),
    path("dead-letters/discard/", discards.discard_matching, name="dead-letters-discard"),
    path("dead-letters/restore/", discards.restore_matching, name="dead-letters-restore"),
    path(_GROUP + "discard/", discards.discard_group, name="dead-letter-group-discard"),
    path("dead-letters/jobs/<uuid:job>/", discards.letter_job, name="letter-job"),
    path(
        "dead-letters/jobs/<uuid:job>/cancel/",
        discards.letter_job_cancel,
        name="letter-job-cancel",
    ),
    path(_LETTER, letters.dead_letter, name="dead-letter"),
    path(_LETTER + "amend/", amend.amend, name="dead-letter-amend"),
    path(_LETTER + "discard/", discards.discard, name="dead-letter-discard"),
    path(_LETTER + "restore/", discards.restore, name="dead-letter-restore"),
    path("replays/", replays.replays, name="replays"),
    path("replays/new/", replays.replay_new, name="replay-new"),
    path("replays/new/counted/", counted.counted, name="replay-new-counted"),
    path("replays/<rpl:replay>/", replays.replay, name="replay"),
    path("replays/<rpl:replay>/left-out/", left_out.left_out, name="replay-left-out"),
    path("replays/<rpl:replay>/settled/", overtaken.overtaken, name="replay-settled"),
    path("replays/<rpl:replay>/cancel/", replays.cancel, name="replay-cancel"),
    path("replays/<rpl:replay>/rate/", replays.change_rate, name="replay-rate"),
]
