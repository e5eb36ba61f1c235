"""Module: build virtual environments and link models from the host's store."""

from __future__ import annotations

from ansible.module_utils import citadel_venv
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.citadel_bundle import artifacts
from ansible.module_utils.citadel_bundle.system import BundleError, Host


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "artifacts": {"type": "list", "elements": "dict", "default": []},
            "lacking": {"type": "list", "elements": "str"},
            "archives": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given, host = module.params, Host()
    try:
        if given["lacking"] is not None:
            module.exit_json(changed=False, lacking=artifacts.lacking(host, given["lacking"]))
        if given["archives"]:
            artifacts.receive(host, given["archives"])
        result = artifacts.place(
            host, given["artifacts"], citadel_venv.build, check=module.check_mode
        )
    except (BundleError, citadel_venv.VenvError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
