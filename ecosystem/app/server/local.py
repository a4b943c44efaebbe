"""Solara's settings, so that nothing leaves this machine: no telemetry, no files of a content network, no banner."""

from __future__ import annotations

import os
from contextlib import suppress

from ecosystem.files import cache_folder


def keep_local() -> None:
    """Let Solara call nobody, whoever serves the page: ``solara run`` and notebooks too.

    Solara reads ``SOLARA_HOME`` when it is first imported.
    """
    os.environ.setdefault("SOLARA_HOME", str(cache_folder() / "solara"))
    import solara.checks
    import solara.server.settings as settings

    settings.telemetry.mixpanel_enable = False
    settings.theme.title = "Ecosystem"
    settings.theme.show_banner = False
    settings.assets.fontawesome_enabled = False
    # In development it lets the first page ask its makers' web site whether it works; these files say that it has.
    for done in (solara.checks.solara_checked_path, solara.checks.jupyter_checked_path):
        with suppress(OSError):
            done.parent.mkdir(parents=True, exist_ok=True)
            done.touch()


def serve_alone() -> None:
    """Let Solara serve the page and nothing beside: no reloading, no search, no sign-in, whatever the environment says.

    Parts of its server read these settings when they are imported, so this comes before.
    """
    keep_local()
    import solara.server.settings as settings
    import solara.settings

    settings.main.mode = "production"
    settings.main.base_url = settings.main.root_path = ""
    settings.theme.loader = "plain"
    settings.theme.variant = settings.ThemeVariant.light
    settings.session.http_only = True
    settings.ssg.enabled = settings.search.enabled = settings.oauth.private = settings.state.test_eviction = False
    # Through our own server, which has no way to fetch what is missing.
    solara.settings.assets.proxy = True
