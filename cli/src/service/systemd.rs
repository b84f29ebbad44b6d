//! A unit of systemd's user manager.
//!
//! Its sandbox is what a user manager can really set: seccomp filters and `NoNewPrivileges`, which need no privilege. Settings
//! that need a mount or user namespace (`ProtectSystem`, `PrivateTmp` and the like) are absent: in user units they do nothing by
//! themselves, and with `PrivateUsers` they would hide folders into which the user fetches. `UMask` is absent too: this
//! program's own files are private by themselves, and a model fetched by the companion has the mode of one fetched without it.

use super::{Definition, DefinitionError, Job, Step, Steps, Variables, check, sealed};

const MANAGER: &str = "systemd";
/// Name of the unit.
const UNIT: &str = "minimodel-companion.service";

/// What the unit has for every user. `{start}`: the lines that depend on the user.
const TEMPLATE: &str = "\
[Unit]
Description=MiniModel companion, which keeps this user's shares and fetches of models going
Documentation=man:minimodel-companion(1)
StartLimitIntervalSec=5min
StartLimitBurst=10

[Service]
Type=exec
{start}Restart=on-failure
RestartSec=10
# Usage, or another companion of the same folders: to try again changes nothing.
RestartPreventExitStatus=2 11
# SIGTERM ends it in good order; what ran goes on with its next start.
KillMode=mixed
TimeoutStopSec=30
NoNewPrivileges=yes
LimitCORE=0
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
";

/// The definition of `job`.
pub(super) fn define(job: &Job, variables: &Variables) -> Result<Definition, DefinitionError> {
    // systemd refuses a program whose path has one of these, however it is written.
    check(MANAGER, "program", &job.program, |character| "\"'\\".contains(character))?;
    let mut start = String::new();
    for (name, value) in &job.variables {
        check(MANAGER, name, value, |_| false)?;
        start += &format!("Environment=\"{name}={}\"\n", quoted(value));
    }
    start += &format!("ExecStart=\"{}\" {}\n", quoted(&job.program), job.arguments().join(" "));
    let text = sealed(&format!("# {{seal}}\n{}", TEMPLATE.replace("{start}", &start)));
    Ok(Definition {
        manager: MANAGER,
        path: variables.config()?.join("systemd/user").join(UNIT),
        text,
        steps: steps(),
        log: format!("journalctl --user -u {UNIT}"),
        notes: vec![
            "it starts when you log in and ends when you log out; `loginctl enable-linger` keeps it between"
                .to_owned(),
        ],
    })
}

/// The unit that packages install for all users, with the program at `program`; each user enables it or not.
pub(crate) fn packaged_unit(program: &str) -> String {
    TEMPLATE.replace("{start}", &format!("ExecStart={program} companion run\n"))
}

fn steps() -> Steps {
    let systemctl = |words: &[&str]| Step::new("systemctl", ["--user"].iter().chain(words).copied());
    Steps {
        probe: systemctl(&["show-environment"]),
        install: vec![systemctl(&["daemon-reload"]), systemctl(&["enable", "--now", UNIT])],
        uninstall: vec![systemctl(&["disable", "--now", UNIT])],
        forget: vec![systemctl(&["daemon-reload"])],
    }
}

/// The value between double quotes: backslashes and quotes as C has them, and `%`, which begins a specifier, doubled. `$` needs
/// nothing: neither the path of a program nor `Environment=` expands it.
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::odd_job;
    use super::*;

    #[test]
    fn unit_quotes_spaces_percent_signs_and_quotes() {
        let definition = define(&odd_job(), &Variables::for_tests("/home/a")).unwrap();
        assert_eq!(definition.path, Path::new("/home/a/.config/systemd/user/minimodel-companion.service"));
        let has = |line: &str| assert!(definition.text.lines().any(|l| l == line), "{}", definition.text);
        has("ExecStart=\"/opt/a b/50%%/$HOME/é&<;>/minimodel\" companion run --port 4711");
        has("Environment=\"MINIMODEL_HOME=/srv/\\\"m\\\"\\\\50%% & <é>\"");
    }

    #[test]
    fn unit_of_a_program_with_a_quote_in_its_path_is_refused() {
        for program in ["/a\"b", "/a'b", "/a\\b"] {
            let job = Job { program: program.to_owned(), ..odd_job() };
            let error = define(&job, &Variables::for_tests("/home/a")).unwrap_err();
            assert!(error.to_string().starts_with("systemd takes no program with"), "{error}");
        }
    }

    #[test]
    fn packaged_unit_has_the_same_sandbox_and_no_seal() {
        let unit = packaged_unit("/usr/bin/minimodel");
        assert!(
            unit.contains("\nExecStart=/usr/bin/minimodel companion run\nRestart=on-failure\n"),
            "{unit}"
        );
        assert!(unit.contains("\nNoNewPrivileges=yes\n") && !unit.contains("sha256") && !unit.contains('{'));
    }
}
