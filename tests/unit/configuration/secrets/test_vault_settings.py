"""Where Vault is and who we are, from the variables that its own tools read."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.secrets.errors import SecretError, SecretRefusedError
from hxp_enterprise_llm.configuration.secrets.vault.auth import AppRole, Jwt, StaticToken
from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings

HERE = {"VAULT_ADDR": "https://vault.example:8200/"}


def read(**variables: str) -> VaultSettings:
    return VaultSettings.from_variables(HERE | variables)


def test_a_token_with_all_that_can_be_set() -> None:
    found = read(
        VAULT_TOKEN="t", VAULT_NAMESPACE="team", VAULT_CACERT="/ca.pem", VAULT_CLIENT_TIMEOUT="2s"
    )
    assert found.address == "https://vault.example:8200"
    assert isinstance(found.auth, StaticToken)
    assert found.auth.token.reveal() == "t"
    assert (found.namespace, found.ca_file, found.timeout) == ("team", Path("/ca.pem"), 2.0)


def test_variables_of_openbao_count_where_vaults_are_not_set() -> None:
    found = VaultSettings.from_variables(
        {"BAO_ADDR": "https://bao.example", "BAO_TOKEN": "b", "BAO_NAMESPACE": "n"}
    )
    assert isinstance(found.auth, StaticToken)
    assert (found.address, found.auth.token.reveal(), found.namespace) == (
        "https://bao.example",
        "b",
        "n",
    )


def test_an_approle_with_its_secret_id_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "id"
    file.write_text("s1\n")
    file.chmod(0o600)
    auth = read(VAULT_ROLE_ID="r", VAULT_SECRET_ID_FILE=str(file)).auth
    assert isinstance(auth, AppRole)
    assert (auth.role_id, auth.secret_id.reveal()) == ("r", "s1")
    file.chmod(0o644)
    with pytest.raises(SecretRefusedError, match="can be read by others"):
        read(VAULT_ROLE_ID="r", VAULT_SECRET_ID_FILE=str(file))


def test_roles_of_pods_and_of_other_signed_tokens() -> None:
    pod = read(VAULT_KUBERNETES_ROLE="gateway").auth
    assert pod == Jwt(
        "gateway",
        Path("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        mount="kubernetes",
    )
    other = read(VAULT_JWT_ROLE="ci", VAULT_JWT_FILE="/token").auth
    assert other == Jwt("ci", Path("/token"))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"VAULT_ADDR": ""}, "VAULT_ADDR is not set"),
        ({}, "neither VAULT_TOKEN nor VAULT_TOKEN_FILE is set"),
        ({"VAULT_ROLE_ID": "r"}, "neither VAULT_SECRET_ID nor"),
        ({"VAULT_ADDR": "vault.example", "VAULT_TOKEN": "t"}, "not of the form"),
        ({"VAULT_ADDR": "ftp://vault.example", "VAULT_TOKEN": "t"}, "not of the form"),
        ({"VAULT_TOKEN": "t", "VAULT_CLIENT_TIMEOUT": "soon"}, "no number of seconds"),
        ({"VAULT_TOKEN": "t", "VAULT_CLIENT_TIMEOUT": "-1"}, "no number of seconds"),
        ({"VAULT_TOKEN": "t", "VAULT_CLIENT_TIMEOUT": "nan"}, "no number of seconds"),
    ],
)
def test_what_is_missing_or_misspelt_is_said(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SecretRefusedError, match=message):
        read(**variables)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(SecretRefusedError) as caught:
        read(VAULT_ADDR="https://ann:canary-5@vault.example", VAULT_TOKEN="t")
    assert "canary-5" not in str(caught.value)


async def test_a_missing_token_file_is_said(tmp_path: Path) -> None:
    class Nobody:
        async def send(self, *_: object, **__: object) -> dict[str, object]:
            raise AssertionError("nothing is sent")

    with pytest.raises(SecretError, match="No such file"):
        await Jwt("r", tmp_path / "none").login(Nobody())
