"""Module: apply the rendered bundle of a service, or take a service off the host."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.citadel_bundle import apply, remove
from ansible.module_utils.citadel_bundle.system import BundleError, Host


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "service": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "bundle": {"type": "dict"},
            "credentials": {"type": "dict", "default": {}, "no_log": True},
        },
        required_if=[("state", "present", ["bundle"])],
        supports_check_mode=True,
    )
    given, host = module.params, Host()
    try:
        if given["state"] == "absent":
            result = remove.remove(host, given["service"], check=module.check_mode)
        elif module.check_mode:
            result = apply.check(host, given["bundle"], given["credentials"], diff=module._diff)
        else:
            result = apply.apply(host, given["bundle"], given["credentials"], diff=module._diff)
    except (BundleError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
