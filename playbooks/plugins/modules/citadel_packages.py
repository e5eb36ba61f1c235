"""Module: install Debian packages that are missing, without starting their daemons."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.citadel_bundle import packages
from ansible.module_utils.citadel_bundle.system import BundleError, Host


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"names": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    try:
        result = packages.install(Host(), module.params["names"], check=module.check_mode)
    except (BundleError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
