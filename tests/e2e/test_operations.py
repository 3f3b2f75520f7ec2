"""The files by which it is run: Dockerfile, compose, systemd, Kubernetes; and what the pages say of settings and files."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess

import pytest
import yaml

from dispatcher.config import Config
from dispatcher.config.kinds import kinds
from dispatcher.config.settings import Secret, Settings, variables
from dispatcher.config.variables import declared
from dispatcher.daemon import GRACE_SECONDS
from tests.support.documents import PAGES, blocks, commands, parse
from tests.support.paths import ROOT
from tests.support.processes import OUTBOX

FOLDER = ROOT / "docs" / "operations"
VARIABLES = variables()
SECRETS = {
    setting.metadata["variable"]
    for settings in (Settings, *(kind.settings for kind in kinds().values()))
    for setting in declared(settings)
    if isinstance(setting.default, Secret)
}
PROMISED_SECONDS = 25
EXAMPLES = {"META_DEALERS_TOKEN", "META_DEALERS_TEST_CODE", "GA4_SHOP_SECRET"}
"""Variables that `outbox.toml` may name."""


def read(name):
    return (FOLDER / name).read_text(encoding="utf-8")


# Dockerfile -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def stages():
    """The instructions of each stage of the Dockerfile, as (instruction, rest)."""
    text = re.sub(
        r"\\\n\s*", "", "\n".join(line for line in read("Dockerfile").splitlines() if not line.startswith("#"))
    )
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, rest))
    return found


def test_the_image_is_built_in_stages_from_what_is_there(stages):
    known = {
        "FROM",
        "ENV",
        "RUN",
        "WORKDIR",
        "COPY",
        "USER",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
    assert len(stages) == 2
    for instruction, rest in (line for stage in stages for line in stage):
        assert instruction in known
        if instruction == "COPY" and not rest.startswith("--from="):
            *sources, _ = rest.split()
            assert all((ROOT / source).exists() for source in sources)
        if instruction == "FROM":
            assert re.fullmatch(r"python:3\.\d+-slim( AS build)?", rest)


def test_every_package_is_in_the_image(stages):
    copied = {word for instruction, rest in stages[0] if instruction == "COPY" for word in rest.split()}
    assert {"outbox", "schema", "migrations", "dispatcher", "pyproject.toml", "LICENSE", "README.md"} <= copied


def test_nothing_else_is_sent_to_whoever_builds_the_image(stages):
    first, *kept = [line for line in read("Dockerfile.dockerignore").splitlines() if not line.startswith("#")]
    assert first == "*"
    sources = {word for instruction, rest in stages[0] if instruction == "COPY" for word in rest.split()[:-1]}
    assert {line.removeprefix("!") for line in kept if line.startswith("!")} == sources


def test_the_image_runs_as_nobody_special_and_knows_no_secret(stages):
    last = dict(stages[-1])
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", last["USER"])
    assert "/healthz" in last["HEALTHCHECK"]
    said = " ".join(rest for stage in stages for instruction, rest in stage if instruction in {"ENV", "ARG", "RUN"})
    assert not [secret for secret in VARIABLES if secret in said]


def test_the_image_starts_the_daemon_where_its_health_is_asked(stages):
    last = dict(stages[-1])
    assert yaml.safe_load(last["ENTRYPOINT"]) == ["outbox"]
    parsed = parse(yaml.safe_load(last["CMD"])).params
    assert parsed["host"] == "0.0.0.0"
    assert f":{parsed['port']}/healthz" in last["HEALTHCHECK"]
    assert last["EXPOSE"] == str(parsed["port"])
    compile(yaml.safe_load(last["HEALTHCHECK"].partition("CMD ")[2])[2], "HEALTHCHECK", "exec")


# Compose --------------------------------------------------------------------------------------------------------------


def test_compose_names_only_what_is_there():
    compose = yaml.safe_load(read("compose.yaml"))
    services = compose["services"]
    assert services.keys() == {"postgres", "migrate", "dispatch", "serve"}
    for name, service in services.items():
        for needed, condition in service.get("depends_on", {}).items():
            ends = condition["condition"] == "service_completed_successfully"
            assert ends == (services[needed].get("restart") == "no"), "who is waited for to end is not started again"
        assert all(volume.partition(":")[0] in compose["volumes"] for volume in service.get("volumes", ()))
        if name != "postgres":
            parse(service["command"])
            build = service["build"]
            assert (FOLDER / build["context"]).resolve() == ROOT
            assert (ROOT / build["dockerfile"]).is_file()
            assert (FOLDER / f"{service['env_file']}.example").is_file()
            assert service["environment"].keys() <= VARIABLES
            assert service["read_only"]


def test_a_database_of_ones_own_goes_before_that_of_compose():
    services = yaml.safe_load(read("compose.yaml"))["services"]
    for name in ("migrate", "dispatch", "serve"):
        assert services[name]["environment"]["OUTBOX_DATABASE_URL"].startswith("${OUTBOX_DATABASE_URL:-postgresql://")


def test_compose_shows_the_world_nothing():
    services = yaml.safe_load(read("compose.yaml"))["services"]
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        for port in service.get("ports", ()):
            assert str(parse(service["command"]).params["port"]) == port.rpartition(":")[2]
    assert _seconds(services["dispatch"]["stop_grace_period"]) > PROMISED_SECONDS


def test_what_is_checked_is_what_is_served():
    services = yaml.safe_load(read("compose.yaml"))["services"]
    port = parse(services["serve"]["command"]).params["port"]
    assert f":{port}/healthz" in services["serve"]["healthcheck"]["test"][-1]


def _seconds(span):
    return int(span.removesuffix("s"))


# systemd --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path):
    """The unit, with the command where it is here."""
    path = tmp_path / "outbox.service"
    path.write_text(read("outbox.service").replace("/opt/outbox/bin/outbox", str(OUTBOX)), encoding="utf-8")
    return path


def options(path):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_the_unit_runs_a_command_that_there_is_and_gives_it_time_to_stop(unit):
    found = options(unit)
    _, *arguments = shlex.split(found["ExecStart"])
    assert parse(arguments).params["host"] == "127.0.0.1"
    assert int(found["TimeoutStopSec"]) > PROMISED_SECONDS > GRACE_SECONDS
    assert found["Restart"] == "always"
    assert found["DynamicUser"] == found["NoNewPrivileges"] == "yes"
    assert found["ProtectSystem"] == "strict"


def test_systemd_takes_the_unit_and_finds_it_hardened(unit):
    """Where there is no systemd, the test before this one is all that can be said."""
    if systemd := shutil.which("systemd-analyze"):
        verified = subprocess.run([systemd, "verify", unit], capture_output=True, text=True, check=False)
        assert (verified.returncode, verified.stderr) == (0, "")
        command = [systemd, "security", "--no-pager", "--offline=true", "--threshold=20", unit]
        judged = subprocess.run(command, capture_output=True, text=True, check=False)
        assert judged.returncode == 0, judged.stdout


# Kubernetes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def manifests():
    """Every object of the manifest, by kind and name."""
    found = [item for item in yaml.safe_load_all(read("kubernetes.yaml")) if item]
    return {(item["kind"], item["metadata"]["name"]): item for item in found}


def pods(manifests):
    return {
        name: item["spec"]["template"] for (kind, name), item in manifests.items() if kind in {"Deployment", "Job"}
    }  # fmt: skip


def test_every_container_runs_a_command_that_there_is_with_no_rights(manifests):
    assert pods(manifests).keys() == {"outbox-migrate", "outbox-dispatch", "outbox-serve"}
    for pod in pods(manifests).values():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert not spec["automountServiceAccountToken"]
        (container,) = spec["containers"]
        parse(container["args"])
        assert not {variable["name"] for variable in container.get("env", ())} - VARIABLES
        assert container["envFrom"] == [{"secretRef": {"name": "outbox"}}]
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"]
        assert not rights["allowPrivilegeEscalation"]
        assert rights["capabilities"]["drop"] == ["ALL"]
        assert container["resources"]["limits"]["memory"]


def test_every_container_reads_the_same_funnel_where_it_works(manifests, stages):
    assert dict(stages[-1])["WORKDIR"] == "/etc/outbox"
    for pod in pods(manifests).values():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        mounts = {mount["mountPath"]: mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
        assert volumes[mounts["/etc/outbox"]]["configMap"] == {"name": "outbox", "optional": True}


def test_a_halted_destination_restarts_no_pod(manifests):
    for name in ("outbox-dispatch", "outbox-serve"):
        spec = pods(manifests)[name]["spec"]
        (container,) = spec["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports == {"http": parse(container["args"]).params["port"]}
        for probe, path in (("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")):
            asked = container[f"{probe}Probe"]["httpGet"]
            assert (asked["path"], asked["port"]) == (path, "http")
        assert spec["terminationGracePeriodSeconds"] > PROMISED_SECONDS


def test_labels_and_selectors_agree(manifests):
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(manifests).items()}
    for (kind, name), item in manifests.items():
        assert item["metadata"]["namespace"] == "conversions"
        selector = item["spec"].get("selector")
        if kind != "Job":
            assert selector.get("matchLabels", selector) == labels[name]


# Settings, commands and links on the pages ----------------------------------------------------------------------------


def test_the_file_of_settings_has_every_secret_and_nothing_unknown():
    given = dict(
        line.split("=", 1) for line in read("outbox.env.example").splitlines() if line and not line.startswith("#")
    )
    assert given.keys() <= VARIABLES
    assert given.keys() >= SECRETS
    assert not [name for name in SECRETS if given[name]], "no secret stands in the repository"
    Settings.from_environment(given)


def test_the_table_of_settings_is_whole():
    rows = [line.split("|")[1] for line in read("README.md").splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}
    assert listed == VARIABLES


def test_one_goes_live_with_a_single_step_at_both_destinations():
    """The block of the runbook that switches steps off names all but one, the same at both."""
    (block,) = (block for block in blocks(FOLDER / "runbook.md") if "disable meta --step" in block.text)
    off = {"meta": set(), "ga4": set()}
    for words in commands(block):
        if "--step" in words:
            off[words[3]].add(words[5])
    routed = {name: {step.name for step in Config().steps if name in step.targets} for name in off}
    (left,) = routed["meta"] - off["meta"]
    assert off == {name: steps - {left} for name, steps in routed.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_settings_and_commands_that_there_are(page):
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:OUTBOX|META|GA4|STRIPE)_[A-Z0-9_]+\b", text))
    assert named <= VARIABLES | EXAMPLES
    for command in re.findall(r"`outbox ([a-z][^`\n]*)`", text):
        words = [word for word in shlex.split(command) if word not in {"…", "T", "ID"}]
        if not {"…", "--install-completion"} & set(shlex.split(command)):
            known(words)


def known(words):
    """See that a command that is only mentioned exists, though its arguments may be left out."""
    try:
        parse(words)
    except Exception as error:
        if type(error).__name__ not in {"MissingParameter", "NoArgsIsHelpError"}:
            raise


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / path).resolve()
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{link} leads nowhere"


def anchors(page):
    """Give the anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
