"""Module: build virtual environments and link models from the host's store."""

from __future__ import annotations

from ansible.module_utils import citadel_venv
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.citadel_bundle import artifacts, store
from ansible.module_utils.citadel_bundle.system import BundleError, Host


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "artifacts": {"type": "list", "elements": "dict", "default": []},
            "lacking": {"type": "dict"},
            "archives": {"type": "dict", "default": {}},
            "digests": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given, host = module.params, Host()
    try:
        if given["lacking"] is not None:
            mended = [] if module.check_mode else store.repair(host)
            lacking = store.lacking(host, given["lacking"])
            module.exit_json(changed=bool(mended), lacking=lacking, mended=mended[:20])
        if given["archives"]:
            store.receive(host, given["archives"], given["digests"])
        result = artifacts.place(
            host, given["artifacts"], citadel_venv.build, check=module.check_mode
        )
    except (BundleError, citadel_venv.VenvError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
