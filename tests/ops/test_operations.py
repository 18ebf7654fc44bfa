"""Dashboards, alarms and compose file say nothing that the code does not: names, labels, paths, flags, variables, ports."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from ops.program import app
from streams import metrics
from streams.settings import Settings

TOP = Path(__file__).parents[2]
PROMETHEUS = TOP / "ops" / "prometheus"
DASHBOARD = json.loads((TOP / "ops" / "grafana" / "dashboards" / "panelstream.json").read_text())
COMPOSE = yaml.safe_load((TOP / "docker-compose.yml").read_text())
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [t["expr"] for panel in DASHBOARD["panels"] for t in panel["targets"]]
SUFFIXES = ("_bucket", "_count", "_sum")


def labels_of(name: str) -> set[str]:
    """The labels of a series by its name; fails for a metric that no worker shows."""
    for one in metrics.TABLE:
        if name == one.name and one.kind is not metrics.HISTOGRAM:
            return set(one.labels)
        if one.kind is metrics.HISTOGRAM and any(name == one.name + suffix for suffix in SUFFIXES):
            return {*one.labels, "le"}
    raise AssertionError(f"{name} is in no table")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_number_asked_for_is_shown_with_its_labels(expression: str) -> None:
    named = re.findall(r"(panelstream_\w+)(?:\{([^}]*)\})?", expression)
    allowed = {"instance", "job"}
    for name, selected in named:
        allowed |= labels_of(name)
        assert set(re.findall(r"(\w+)\s*=", selected)) <= labels_of(name)
    for grouped in re.findall(r"(?:by|ignoring)\s*\(([^)]*)\)", expression):
        assert {one.strip() for one in grouped.split(",")} <= allowed, expression


@pytest.mark.parametrize(
    "check",
    [["check", "rules", "alerts.yml"], ["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]],
    ids=["rules", "configuration", "tests of the rules"],
)
def test_promtool_finds_nothing(check: list[str]) -> None:
    ended = subprocess.run(["promtool", *check], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_alarm_is_tested_both_ways() -> None:
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    names = {rule["alert"] for rule in RULES}
    assert {one["alertname"] for one in tests[0]["alert_rule_test"]} == names
    fired = {re.sub(r".*\"(\w+)\".*", r"\1", one["labels"]) for one in tests[1]["promql_expr_test"][0]["exp_samples"]}
    assert fired == names


def test_every_alarm_has_its_section_in_the_runbook() -> None:
    sections = {
        line[3:].strip() for line in (TOP / "docs" / "runbook.md").read_text().splitlines() if line.startswith("## ")
    }
    assert sections == {rule["alert"] for rule in RULES}
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"


def test_the_dashboard_asks_the_source_that_is_provisioned() -> None:
    source = yaml.safe_load((TOP / "ops/grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    assert source["url"] == f"http://prometheus:{container_ports('prometheus').pop()}"
    provider = yaml.safe_load((TOP / "ops/grafana/provisioning/dashboards/panelstream.yml").read_text())["providers"][0]
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in COMPOSE["services"]["grafana"]["volumes"]}
    assert (TOP / mounted[provider["options"]["path"]]).resolve() == (TOP / "ops/grafana/dashboards").resolve()
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_compose_file_follows_the_compose_schema() -> None:
    schema = json.loads((Path(__file__).parent / "compose" / "compose_spec.json").read_text())
    jsonschema.Draft201909Validator(schema).validate(COMPOSE)


def ours() -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, one) for name, one in COMPOSE["services"].items() if "build" in one)


def container_ports(service: str) -> set[str]:
    return {str(port).rpartition(":")[2] for port in COMPOSE["services"][service].get("ports", ())}


def test_every_path_of_the_compose_file_and_of_the_image_is_there() -> None:
    for one in COMPOSE["services"].values():
        for volume in one.get("volumes", ()):
            source = volume.split(":")[0]
            assert (TOP / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume
    for _, one in ours():
        dockerfile = (TOP / one["build"]["context"] / one["build"]["dockerfile"]).read_text()
        for copied in re.findall(r"^COPY (.*) \S+$", dockerfile, re.MULTILINE):
            assert all((TOP / path).exists() for path in copied.split()), copied
        assert 'ENTRYPOINT ["panelstream"]' in dockerfile


def test_every_verb_flag_and_setting_of_the_compose_file_is_one() -> None:
    source = (TOP / "streams" / "settings.py").read_text()
    for name, one in ours():
        words = [word for word in one["command"] if not word.startswith("-") and not word.isdigit()]
        helped = CliRunner().invoke(app(), [*words, "--help"], env={"COLUMNS": "200"})
        assert helped.exit_code == 0, name
        for flag in (word for word in one["command"] if word.startswith("-")):
            assert flag in helped.output, flag
        for variable in one["environment"]:
            assert f'"{variable}"' in source, variable
        settings = Settings.from_environment(one["environment"])
        assert settings.partitions == 24


def test_what_the_compose_file_connects_is_there_on_that_port() -> None:
    services = COMPOSE["services"]
    worker = services["worker"]
    port = worker["environment"]["PANELSTREAM_METRICS_PORT"]
    assert worker["expose"] == [port]
    assert f"127.0.0.1:{port}/health" in worker["healthcheck"]["test"][-1]
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"][0]["dns_sd_configs"][0]
    assert (scraped["names"], str(scraped["port"])) == (["worker"], port)
    host, _, inside = worker["environment"]["KAFKA_BOOTSTRAP"].partition(":")
    listeners = dict(one.split("://") for one in services[host]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert listeners["INSIDE"] == f"{host}:{inside}"
    assert listeners["OUTSIDE"].rpartition(":")[2] in container_ports("kafka")
    registry = worker["environment"]["PANELSTREAM_REGISTRY_URL"]
    assert registry == f"http://registry:{container_ports('registry').pop()}"
    assert services["registry"]["environment"]["SCHEMA_REGISTRY_LISTENERS"].rpartition(":")[2] in container_ports(
        "registry"
    )
    for one in services.values():
        assert set(one.get("depends_on", ())) <= set(services)


def test_nothing_is_open_to_the_network_and_no_password_is_in_the_file() -> None:
    for name, one in COMPOSE["services"].items():
        assert all(str(port).startswith("127.0.0.1:") for port in one.get("ports", ())), name
        for variable, value in one.get("environment", {}).items():
            if "PASSWORD" in variable:
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), variable
        if "image" in one:
            assert re.search(r":v?\d+\.\d+", one["image"]), one["image"]
