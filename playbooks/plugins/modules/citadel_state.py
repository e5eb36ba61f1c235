"""Module: read what the bundles of a host are compared with."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.citadel_bundle import state
from ansible.module_utils.citadel_bundle.system import BundleError, Host


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"nonce": {"type": "str", "required": True, "no_log": True}},
        supports_check_mode=True,
    )
    try:
        found = state.read(Host(), bytes.fromhex(module.params["nonce"]))
    except (BundleError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
