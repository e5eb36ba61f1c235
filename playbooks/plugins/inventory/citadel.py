"""Inventory: an environment file and the outputs of its stack (D3)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.inventory import ROLES, read_inventory

if TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader

DOCUMENTATION = """
name: citadel
short_description: Hosts of a Citadel environment
description:
  - Reads an environment file (stacks/environments/NAME.yaml) and the outputs of its Pulumi stack.
  - Each role of the environment is a group C(role_NAME).
options: {}
"""


class InventoryModule(BaseInventoryPlugin):
    """Gives hosts, groups `role_NAME`, connection variables and each role's resolved data."""

    NAME = "citadel"

    def verify_file(self, path: str) -> bool:
        """Say whether a file is an environment: YAML with `schema`, and `hosts` or `extends`."""
        if not path.endswith((".yaml", ".yml")) or not super().verify_file(path):
            return False
        try:
            document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            return True  # the loader says what is wrong, with its line
        return isinstance(document, dict) and "schema" in document

    def parse(
        self,
        inventory: InventoryData,
        loader: DataLoader,
        path: str,
        cache: bool = True,  # noqa: FBT001, FBT002 - Ansible's own signature
    ) -> None:
        """Fill the inventory.

        Raises:
            AnsibleParserError: The file is wrong, or its stack does not exist (yet).
        """
        super().parse(inventory, loader, path, cache)
        try:
            hosts = read_inventory(path)
        except CitadelError as error:
            raise AnsibleParserError(str(error)) from None
        for role in ROLES:  # the plays name them all, hosts or not
            inventory.add_group(f"role_{role}")
        for host in hosts:
            inventory.add_host(host.name)
            for group in host.groups:
                inventory.add_child(group, host.name)
            self._set(host.name, host.variables)

    def _set(self, host: str, variables: dict[str, Any]) -> None:
        for name, value in variables.items():
            self.inventory.set_variable(host, name, _listed(name, value))


def _listed(name: str, value: Any) -> Any:
    """Mark plain connection values as such: `ansible-inventory --list` wraps all others.

    Values with a brace are not marked, so that nothing from outside is ever a template.
    """
    plain = name.startswith("ansible_") and isinstance(value, str) and "{" not in value
    return trust_as_template(value) if plain else value
