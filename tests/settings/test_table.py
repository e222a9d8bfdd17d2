from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from proxy_addons.settings.load import SettingsError
from proxy_addons.settings.table import DENIED_DESTINATIONS, SETTINGS, Setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.settings.load import Examined

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/configuration.md").read_text()
SECTIONS = dict(re.findall(r"^### `([^`]+)`\n(.*?)(?=^#|\Z)", DOCS, re.MULTILINE | re.DOTALL))
LISTS_OF_TABLES = {
    *("network.egress", "identity.addresses", "identity.profiles", "portal.roles"),
    *("audit.offices", "audit.approvers", "feeds", "alerts", "alert_webhooks"),
}
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)


@pytest.fixture(scope="session")
def certificate() -> tuple[bytes, bytes]:
    """A certificate and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("proxy.force.example")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return built.public_bytes(pem), key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_every_key_is_documented_and_nothing_else():
    assert list(SECTIONS) == [setting.name for setting in SETTINGS]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_documented_default_is_the_default(setting: Setting):
    (said,) = re.findall(r"^Default: (.*)$", SECTIONS[setting.name], re.MULTILINE)
    if setting.default is None:
        assert said.startswith("none")
    elif setting.default == ():
        assert said.startswith("empty")
    elif setting.default == DENIED_DESTINATIONS:
        assert "config/watchhouse.yaml" in SECTIONS[setting.name]
    else:
        default = setting.default
        if default in ("true", "false"):
            default = default == "true"
        written = yaml.safe_load(re.findall(r"`([^`]+)`", said)[0])
        if isinstance(default, tuple):
            default = list(default)
            written = written if isinstance(written, list) else [written]
        assert written == default


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_documented_example_is_valid(
    look: Callable[..., Examined], config: Path, certificate: tuple[bytes, bytes], text: str
):
    (config / "force-root.pem").write_bytes(certificate[0])
    (config / "proxy.pem").write_bytes(certificate[0])
    (config / "proxy.key").write_bytes(certificate[1])
    (config / "proxy.key").chmod(0o600)
    (config / "proxy.keytab").touch(0o600)
    secrets = (
        "DIRECTORY_PASSWORD",
        "STANDING_PASSWORD",
        "OIDC_SECRET",
        "SMTP_PASSWORD",
        "LAKE_TOKEN",
    )
    environ = {"PARENT_PROXY_LOGIN": "user:password", **dict.fromkeys(secrets, "secret")}
    result = look(text, environ=environ)
    assert result.warnings == () or "identity" not in text


def test_the_shipped_file_has_every_default_but_identity(look: Callable[..., Examined]):
    shipped = look().settings
    bare = look(main="listen: {}\n").settings
    assert shipped.listen == bare.listen
    assert shipped.network == bare.network
    assert shipped.limits == bare.limits
    assert shipped.tls == bare.tls
    assert shipped.page == bare.page
    assert shipped.pac == bare.pac
    assert shipped.paths == bare.paths
    assert shipped.directory == bare.directory
    assert shipped.standing == bare.standing
    assert shipped.portal == bare.portal
    assert shipped.shifts == bare.shifts
    assert replace(shipped.identity, addresses=()) == bare.identity
    assert bare.identity.addresses == ()
    assert [
        (str(each.network), each.person, each.profile) for each in shipped.identity.addresses
    ] == [
        ("127.0.0.0/8", "Sample Person", "standard"),
        ("::1/128", "Sample Person", "standard"),
    ]


def test_the_shipped_file_shows_every_key():
    text = (ROOT / "config/watchhouse.yaml").read_text()
    for setting in SETTINGS:
        assert re.search(rf"^ *#? *{setting.name.rpartition('.')[2]}:", text, re.MULTILINE)


def test_an_option_wins_over_the_environment_and_that_over_the_file(
    look: Callable[..., Examined],
):
    main = "network: {connect_timeout: 1, idle_timeout: 1}\n"
    environ = {"WATCHHOUSE_NETWORK_CONNECT_TIMEOUT": "2", "WATCHHOUSE_NETWORK_IDLE_TIMEOUT": "2"}
    network = look(main, environ=environ, network__connect_timeout="3").settings.network
    assert (network.connect_timeout, network.idle_timeout) == (3.0, 2.0)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_but_some_has_a_variable_of_its_own(setting: Setting):
    assert bool(setting.env) is (setting.name not in LISTS_OF_TABLES)
    if setting.env:
        assert [each.env for each in SETTINGS].count(setting.env) == 1


def test_lists_in_options(look: Callable[..., Examined]):
    settings = look(
        listen__proxy="127.0.0.1:9090, [::1]:9090",
        network__allow_ports="443,8443",
        network__intranet="",
        network__dns_servers="192.0.2.53",
    ).settings
    assert [(each.host, each.port) for each in settings.listen.proxy] == [
        ("127.0.0.1", 9090),
        ("::1", 9090),
    ]
    assert settings.network.allow_ports == {443, 8443}
    assert settings.network.intranet_networks == ()
    assert [(each.host, each.port) for each in settings.network.dns_servers] == [("192.0.2.53", 53)]


def test_text_from_the_shell_is_text_whatever_yaml_thinks_of_it(look: Callable[..., Examined]):
    settings = look(page__organisation="no", environ={"WATCHHOUSE_PAGE_CONTACT": "101"}).settings
    assert (settings.page.organisation, settings.page.contact) == ("no", "101")


def test_an_empty_variable_and_an_empty_option_leave_the_default(look: Callable[..., Examined]):
    main = "network: {upstream_proxy: 'http://parent.example:3128'}\n"
    kept = look(main, environ={"WATCHHOUSE_NETWORK_UPSTREAM_PROXY": ""}).settings
    assert kept.network.upstream_proxy is not None
    assert look(main, network__upstream_proxy="").settings.network.upstream_proxy is None


def test_wrong_options_and_variables_are_named(look: Callable[..., Examined]):
    with pytest.raises(SettingsError) as caught:
        look(
            environ={"WATCHHOUSE_LISTEN_WORKERS": "many"},
            listen__proxy="8080",
            listen__proxi="1",
            identity__addresses="127.0.0.1",
        )
    assert str(caught.value).splitlines() == [
        "option listen.proxi: no such setting; did you mean listen.proxy?",
        "option identity.addresses: cannot be given as an option; write it in the file",
        (
            'option listen.proxy: listen.proxy[0]: found "8080", whose port is not a number'
            " from 0 to 65535; wanted host:port, an IPv6 address in brackets"
        ),
        (
            "environment WATCHHOUSE_LISTEN_WORKERS: listen.workers: found"
            ' "many"; wanted a whole number from 1 to 256, or auto'
        ),
    ]


def test_a_misspelt_variable_is_warned_of(look: Callable[..., Examined]):
    environ = {"WATCHHOUSE_LISTN_PROXY": "x", "WATCHHOUSE_ZZZ": "x", "WATCHHOUSE_DATA": "/tmp/x"}
    assert [str(warning) for warning in look(environ=environ).warnings] == [
        (
            "environment WATCHHOUSE_LISTN_PROXY: is no setting of ours; did you mean"
            " WATCHHOUSE_LISTEN_PROXY?"
        )
    ]
