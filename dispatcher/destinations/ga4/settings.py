"""GA4's settings."""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.config.variables import KindSettings, Secret, matches, setting, web_address


@dataclass(frozen=True, slots=True, kw_only=True)
class GA4Settings(KindSettings):
    """One web stream of a GA4 property. `outbox.Visitor` needs its measurement id to read the cookie of its session."""

    measurement_id: str = setting(
        "GA4_MEASUREMENT_ID",
        "G-XLHMXGR17M",
        check=matches(r"G-[A-Z0-9]{4,16}", "a measurement id, such as G-XLHMXGR17M"),
        toml="measurement_id",
        visitor="ga_stream",
    )
    secret: Secret = setting("GA4_API_SECRET", Secret(), toml="secret_env")
    base_url: str = setting(
        "GA4_MP_BASE_URL", "https://www.google-analytics.com", check=web_address("https://www.google-analytics.com")
    )
