"""Meta's settings."""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.config.variables import KindSettings, Secret, matches, setting, web_address


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaSettings(KindSettings):
    """One pixel (dataset) at Meta."""

    pixel_id: str = setting(
        "META_PIXEL_ID",
        "1530042020969436",
        check=matches(r"\d{5,20}", "the pixel's number, such as 1530042020969436"),
        toml="pixel_id",
    )
    token: Secret = setting("META_CAPI_TOKEN", Secret(), toml="token_env")
    test_code: str = setting(
        "META_CAPI_TEST_CODE",
        "",
        check=matches(r"[A-Za-z0-9_-]{1,64}", "the code of Events Manager's Test Events tab, such as TEST46298"),
        toml="test_code_env",
        belongs_to_id=True,
    )
    api_version: str = setting(
        "META_API_VERSION", "v25.0", check=matches(r"v\d{1,3}\.\d", "a Graph API version, such as v25.0")
    )
    base_url: str = setting(
        "META_CAPI_BASE_URL", "https://graph.facebook.com", check=web_address("https://graph.facebook.com")
    )
