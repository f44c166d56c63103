"""The manifests are what Kubernetes takes, start what there is, and fit together."""

import copy
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import typer
import yaml

from mmsvault.cli import commands
from mmsvault.settings import Settings
from mmsvault.settings.sources import PREFIX
from tests.servers import require

FOLDER = Path(__file__).parents[2] / "deploy/kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
FILES = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
OF_KEDA = "keda.sh/v1alpha1"
DEFINITION = "keda.sh_scaledobjects.yaml"
VERSIONS = ("1.33", kubernetes_validate.latest_version())
NAME = "app.kubernetes.io/name"

Manifest = dict[str, Any]
MANIFESTS: list[Manifest] = [
    manifest for name in FILES for manifest in yaml.safe_load_all((FOLDER / name).read_text())
]


def of_kind(*kinds: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] in kinds}


PROGRAMS = of_kind("Deployment", "StatefulSet")


def container(program: Manifest) -> Manifest:
    (only,) = program["spec"]["template"]["spec"]["containers"]
    found: Manifest = only
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_each_manifest_is_what_kubernetes_takes(version: str) -> None:
    checked = [one for one in MANIFESTS if one["apiVersion"] != OF_KEDA]
    for manifest in checked:
        kubernetes_validate.validate(manifest, version, strict=True)
    assert len(checked) > 15


def test_the_kustomization_lists_every_file_and_secrets_by_the_names_of_settings() -> None:
    assert sorted(KUSTOMIZATION["resources"]) == FILES
    (secrets,) = KUSTOMIZATION["secretGenerator"]
    for path in secrets["files"]:
        assert path.removeprefix("secrets/mmsvault_") in Settings.model_fields


def test_the_settings_are_known_and_work(tmp_path: Path) -> None:
    lines = [line.split("=", 1) for line in (FOLDER / "settings.env").read_text().splitlines()]
    given = {name.removeprefix(PREFIX).lower(): value for name, value in lines}
    assert given.keys() <= Settings.model_fields.keys()
    folder = given.pop("secrets_dir")
    keys = {"s3_access_key": "a", "s3_secret_key": "b"}
    settings = Settings.load(**given, **keys, data_dir=tmp_path)
    for program in PROGRAMS.values():
        mounts = {one["name"]: one["mountPath"] for one in container(program)["volumeMounts"]}
        assert mounts["secrets"] == folder
    assert container(PROGRAMS["sweep"])["ports"][0]["containerPort"] == settings.metrics_port
    assert container(PROGRAMS["receiver"])["ports"][0]["containerPort"] == settings.receiver_port
    assert container(PROGRAMS["dashboard"])["ports"][0]["containerPort"] == settings.dashboard_port


def test_each_program_has_the_secrets_that_it_uses_and_no_others() -> None:
    servers = {"redis_password", "database_password", "s3_access_key", "s3_secret_key"}
    given = {
        name: {
            item["key"].removeprefix("mmsvault_")
            for volume in program["spec"]["template"]["spec"]["volumes"]
            for item in volume.get("secret", {}).get("items", ())
        }
        for name, program in PROGRAMS.items()
    }
    assert given == {
        "receiver": {"postback_token", "redis_password", "metrics_token"},
        "worker": servers,
        "exports": servers,
        "sweep": servers,
        "dashboard": servers | {"postback_token", "metrics_token"},
    }


def test_every_program_is_started_by_a_command_that_there_is() -> None:
    known = typer.main.get_command(commands()).commands  # type: ignore[attr-defined]
    started = [container(program)["args"] for program in PROGRAMS.values()]
    assert sorted(words[0] for words in started) == ["dashboard", "receiver", "sweep", "worker", "worker"]
    for command, *words in started:
        options = {name for option in known[command].params for name in option.opts}
        assert {word for word in words if word.startswith("-")} <= options


def test_no_pod_is_root_or_writes_to_its_image_and_each_has_limits_and_says_that_it_lives() -> None:
    for name, program in PROGRAMS.items():
        pod, only = program["spec"]["template"]["spec"], container(program)
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["automountServiceAccountToken"] is False, name
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert only["resources"]["limits"]["memory"], name
        assert only["livenessProbe"], name
    for name in ("receiver", "dashboard"):
        assert container(PROGRAMS[name])["readinessProbe"], name


def test_budgets_services_and_policies_are_about_pods_that_there_are() -> None:
    labels = {
        name: program["spec"]["template"]["metadata"]["labels"][NAME] for name, program in PROGRAMS.items()
    }
    assert labels == {name: name for name in PROGRAMS}
    for budget in of_kind("PodDisruptionBudget").values():
        assert budget["spec"]["selector"]["matchLabels"][NAME] in PROGRAMS
    assert of_kind("PodDisruptionBudget").keys() >= {"receiver", "worker", "sweep"}
    for service in of_kind("Service").values():
        (port,) = service["spec"]["ports"]
        program = PROGRAMS[service["spec"]["selector"][NAME]]
        assert container(program)["ports"] == [{"name": port["targetPort"], "containerPort": port["port"]}]
    policies = of_kind("NetworkPolicy")
    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in policies.values():
        for expression in policy["spec"]["podSelector"].get("matchExpressions", ()):
            assert set(expression["values"]) <= PROGRAMS.keys()
    for rule in of_kind("Ingress")["mms-vault"]["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            assert path["backend"]["service"]["name"] in of_kind("Service")


@pytest.fixture(scope="module")
def of_keda() -> jsonschema.Draft7Validator:
    """What a cluster with KEDA takes as a ScaledObject, by KEDA's own definition of it."""
    found = shutil.which(DEFINITION, mode=os.R_OK)
    require("keda", found=found)
    definition = yaml.safe_load(Path(str(found)).read_text())
    group, _, version = OF_KEDA.partition("/")
    assert definition["spec"]["group"] == group
    (said,) = (one for one in definition["spec"]["versions"] if one["name"] == version)
    schema: dict[str, Any] = said["schema"]["openAPIV3Schema"]
    del schema["properties"]["metadata"]  # is the same for all kinds
    return jsonschema.Draft7Validator(strict(schema) | {"required": ["spec"]})


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema as one that takes no unknown field; Kubernetes would leave it out without a word."""
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {name: strict(one) for name, one in made["properties"].items()}
        made["additionalProperties"] = False
    for name in ("items", "additionalProperties"):
        if isinstance(made.get(name), dict):
            made[name] = strict(made[name])
    return made


def without_metadata(manifest: Manifest) -> Manifest:
    return {name: value for name, value in manifest.items() if name != "metadata"}


def test_what_scales_is_what_keda_takes(of_keda: jsonschema.Draft7Validator) -> None:
    for scaled in of_kind("ScaledObject").values():
        of_keda.validate(without_metadata(scaled))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda spec: spec.update(maxReplicas=40),
        lambda spec: spec.update(minReplicaCount="2"),
        lambda spec: spec.pop("scaleTargetRef"),
        lambda spec: spec["triggers"][0].pop("type"),
        lambda spec: spec["triggers"][0]["metadata"].update(threshold=30),
        lambda spec: spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"].update(scaleUpwards={}),
    ],
)
def test_what_keda_does_not_take_is_found(
    of_keda: jsonschema.Draft7Validator, spoil: Callable[[Manifest], object]
) -> None:
    (scaled,) = of_kind("ScaledObject").values()
    spoilt = copy.deepcopy(without_metadata(scaled))
    spoil(spoilt["spec"])
    with pytest.raises(jsonschema.ValidationError):
        of_keda.validate(spoilt)


def test_workers_are_scaled_by_the_age_of_the_queue() -> None:
    """Which names there are is tested with the metrics themselves."""
    (scaled,) = of_kind("ScaledObject").values()
    assert scaled["apiVersion"] == OF_KEDA
    assert scaled["spec"]["scaleTargetRef"] == {"name": "worker"}
    assert "replicas" not in PROGRAMS["worker"]["spec"], "it would undo the scaling at every apply"
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["type"] == "prometheus"
    assert trigger["metadata"].keys() >= {"serverAddress", "query", "threshold"}
    assert all(isinstance(value, str) for value in trigger["metadata"].values())


def reached(program: str, *, inside: bool) -> set[int]:
    """Return the ports that a program's pod may reach: of servers in the cluster, or outside."""
    found = set()
    for policy in of_kind("NetworkPolicy").values():
        selected = policy["spec"]["podSelector"].get("matchExpressions", [{"values": [program]}])
        if all(program in expression["values"] for expression in selected):
            for rule in policy["spec"].get("egress", ()):
                is_inside = any("namespaceSelector" in one for one in rule["to"])
                if is_inside == inside:
                    found |= {port["port"] for port in rule["ports"]}
    return found


def test_who_asks_the_bucket_reaches_it_on_minios_port_and_on_443_inside_and_outside() -> None:
    for name in ("worker", "exports", "sweep", "dashboard"):
        assert reached(name, inside=True) >= {6379, 5432, 9000, 443}, name
        assert 443 in reached(name, inside=False), name


def test_the_receiver_reaches_the_queue_and_nothing_else_inside_and_only_whom_it_alerts_outside() -> None:
    assert reached("receiver", inside=True) == {53, 6379}
    assert reached("receiver", inside=False) == {80, 443, 465, 587}


def test_only_workers_and_the_sweep_reach_more_than_443_outside() -> None:
    """The dashboard asks a login provider, and exports go to the bucket."""
    for name in ("exports", "dashboard"):
        assert reached(name, inside=False) == {443}
    for name in ("worker", "sweep"):
        assert reached(name, inside=False) >= {80, 443}


def test_exports_are_signed_with_one_key_however_often_the_pod_is_started_anew() -> None:
    """The key is made in DATA_DIR, so that has to outlive the pod, and be one pod's at a time."""
    exports = PROGRAMS["exports"]
    (data,) = (one for one in exports["spec"]["template"]["spec"]["volumes"] if one["name"] == "data")
    claim = data["persistentVolumeClaim"]["claimName"]
    assert claim in of_kind("PersistentVolumeClaim")
    assert (exports["spec"]["replicas"], exports["spec"]["strategy"]) == (1, {"type": "Recreate"})
    (mount,) = (one for one in container(exports)["volumeMounts"] if one["name"] == "data")
    assert mount["mountPath"] == "/var/lib/mmsvault"


def test_a_worker_that_hangs_is_started_anew() -> None:
    for name in ("worker", "exports"):
        assert container(PROGRAMS[name])["livenessProbe"]["exec"]["command"] == ["mmsvault", "health"]
