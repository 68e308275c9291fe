"""How each kind of value is written, and the error for every other text."""

from __future__ import annotations

import pytest

from sidecar.membership.policy.guards import MinMembers
from sidecar.settings.parsing import (
    cluster_domain,
    count,
    duration,
    listen,
    member_port,
    nameserver,
    one_of,
    optional_duration,
    output,
    service,
    share,
)
from sidecar.settings.values import Listen, Nameserver, Service


@pytest.mark.parametrize(
    ("text", "seconds"), [("200ms", 0.2), ("0s", 0.0), ("5m", 300.0), ("1h30m", 5400.0), ("1.5s", 1.5)]
)
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    """The units of Go's durations."""
    assert duration(text) == pytest.approx(seconds)
    assert optional_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1s ", "1d", "1e3s", "off"])
def test_a_number_without_a_unit_is_not_a_duration(text: str) -> None:
    """Neither is anything else."""
    with pytest.raises(ValueError, match=r"^invalid duration '.*': write a number and a unit, such as 200ms or 5m$"):
        duration(text)


def test_some_durations_can_be_off() -> None:
    """Which is forever, and the message says that it is possible."""
    assert optional_duration("off") == float("inf")
    with pytest.raises(ValueError, match=r"such as 200ms or 5m, or off$"):
        optional_duration("never")


def test_a_service_may_name_its_namespace() -> None:
    """After a dot, as in DNS; * is all of them."""
    assert service("app") == Service("app")
    assert service("app.prod") == Service("app", "prod")
    assert service("app.*") == Service("app", "*")


@pytest.mark.parametrize("text", ["App", "a.", ".a", "a.b.c", "a_b", "*", "*.a", ""])
def test_anything_else_is_not_a_service(text: str) -> None:
    """The names are those that Kubernetes allows."""
    with pytest.raises(ValueError, match=r"^invalid Service '.*': write NAME or NAME.NAMESPACE, such as app or app.d"):
        service(text)


def test_an_output_is_a_format_and_a_path() -> None:
    """The path may hold another equals sign."""
    for text in ("json=/m/a=b", "hazelcast-xml=/m/a.xml", "hazelcast-yaml=/m/a.yaml", "hazelcast-yaml=/m/a.yml"):
        found = output(text)
        assert f"{found.form.name}={found.path}" == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/m/a", "write FORMAT=PATH, where FORMAT is one of json, hazelcast-xml, hazelcast-yaml, jgroups"),
        ("json=", "write FORMAT=PATH"),
        ("jsn=/m/a", "write FORMAT=PATH"),
        ("json=m/a", "write the absolute path of the file, beginning with /"),
        ("hazelcast-yaml=/m/a.txt", "the path must end in .yaml or .yml, by which the reader chooses its parser"),
        ("json=/m/a,jgroups=/m/b", "a path has no comma; for several files, repeat --output, or separate them with"),
        ("json=/m/a,", "a path has no comma"),
    ],
)
def test_anything_else_is_not_an_output(text: str, message: str) -> None:
    """What to write instead depends on what is wrong."""
    with pytest.raises(ValueError, match=r"^invalid output ") as caught:
        output(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [("[::1]:80", Listen("::1", 80)), ("[::]:0", Listen("::", 0)), ("127.0.0.1:65535", Listen("127.0.0.1", 65535))],
)
def test_an_address_to_listen_on_is_shown_as_it_is_written(text: str, address: Listen) -> None:
    """IPv6 stands in brackets."""
    assert listen(text) == address
    assert str(address) == text


def test_listening_can_be_off() -> None:
    """Nothing is served then."""
    assert listen("off") is None


@pytest.mark.parametrize(
    "text",
    ["", "9466", ":9466", "::1:80", "[::1:80", "::1]:80", "[::1]", "[]:80", "[a:80", "a]:80", "a:", "a:65536", "a:b"],
)
def test_anything_else_is_not_an_address_to_listen_on(text: str) -> None:
    """A port alone least of all."""
    with pytest.raises(ValueError, match=r"^invalid address '.*': write ADDRESS:PORT or .*, or off$"):
        listen(text)


def test_a_port_is_a_number_or_a_name() -> None:
    """Or not given."""
    assert [member_port(text) for text in ("1", "65535", "http", "")] == ["1", "65535", "http", ""]
    for wrong in ("0", "65536"):
        with pytest.raises(ValueError, match=f"^invalid port '{wrong}': write a number from 1 to 65535, or the name"):
            member_port(wrong)


def test_a_count_is_a_whole_number() -> None:
    """From 0."""
    assert [count("0"), count("12")] == [0, 12]
    for wrong in ("-1", "1.5", "x", ""):
        with pytest.raises(ValueError, match=r"^invalid number '.*': write a whole number, 0 or more$"):
            count(wrong)


def test_a_share_is_a_percentage() -> None:
    """As a part of 1."""
    assert [share("1%"), share("50%"), share("100%"), share("off")] == [0.01, 0.5, 1.0, 1.0]
    for wrong in ("0%", "101%", "0.5", "50", ""):
        with pytest.raises(ValueError, match=r"^invalid percentage '.*': write 1% to 100%, or off$"):
            share(wrong)


def test_a_choice_is_one_of_those_there_are() -> None:
    """The message lists them."""
    assert one_of("a", "b")("b") == "b"
    with pytest.raises(ValueError, match=r"^invalid value 'c': write one of a, b$"):
        one_of("a", "b")("c")


@pytest.mark.parametrize("text", ["0", "3", "1%", "50%", "replicas"])
def test_a_number_of_members_is_shown_as_it_is_written(text: str) -> None:
    """In every message about it."""
    assert str(MinMembers.parse(text)) == text


@pytest.mark.parametrize("text", ["", "-1", "0%", "101%", "1.5", "all"])
def test_anything_else_is_not_a_number_of_members(text: str) -> None:
    """A number, a percentage or all."""
    with pytest.raises(ValueError, match=r"^invalid number of members '.*': write a number, 1% to 100%, or replicas$"):
        MinMembers.parse(text)


@pytest.mark.parametrize(
    ("text", "replicas", "members"),
    [("50%", 3, 2), ("50%", 4, 2), ("1%", 1, 1), ("34%", 3, 2), ("33%", 3, 1), ("replicas", 3, 3), ("50%", 0, 0)],
)
def test_a_percentage_of_replicas_is_rounded_up(text: str, replicas: int, members: int) -> None:
    """A part of a replica is a whole one: half of three are two."""
    assert MinMembers.parse(text).of(replicas) == members


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("10.96.0.10", Nameserver("10.96.0.10", 53)),
        ("10.96.0.10:5353", Nameserver("10.96.0.10", 5353)),
        ("fd00::a", Nameserver("fd00::a", 53)),
        ("[fd00::a]", Nameserver("fd00::a", 53)),
        ("[FD00:0::a]:5353", Nameserver("fd00::a", 5353)),
        ("10.96.0.10:1", Nameserver("10.96.0.10", 1)),
        ("10.96.0.10:65535", Nameserver("10.96.0.10", 65535)),
    ],
)
def test_a_dns_server_is_an_ip_address_and_perhaps_a_port(text: str, server: Nameserver) -> None:
    """In any of the usual spellings."""
    assert nameserver(text) == server


@pytest.mark.parametrize(
    "text",
    ["", "kube-dns:53", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "[::1]:", ":53", "1:2:3", "[fd00::a", "fd00::a]"],
)
def test_anything_else_is_not_a_dns_server(text: str) -> None:
    """A name would need DNS to find DNS."""
    with pytest.raises(
        ValueError, match=r"^invalid DNS server '.*': write an IP address, not a name, as ADDRESS:PORT or"
    ):
        nameserver(text)


def test_a_cluster_domain_is_a_dns_domain() -> None:
    """With or without the final dot, and in lower case."""
    assert cluster_domain("Corp.Example.") == "corp.example"
    assert cluster_domain("") == ""
    for wrong in ("a..b", ".", "-a", "a b", "x" * 64):
        with pytest.raises(
            ValueError, match=r"^invalid domain '.*': write the cluster's DNS domain, such as cluster.l"
        ):
            cluster_domain(wrong)
