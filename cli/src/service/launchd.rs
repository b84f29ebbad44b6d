//! A launch agent of macOS.

use std::ffi::OsStr;

use super::{Definition, DefinitionError, Job, Step, Steps, Variables, check, fill, sealed, xml};
use crate::escape;

const MANAGER: &str = "launchd";
/// Label of the agent, by which launchd knows it.
const LABEL: &str = "minimodel.companion";

const TEMPLATE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- {seal} -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
    <key>Label</key>
    <string>{label}</string>
    <key>ProgramArguments</key>
    <array>
{arguments}    </array>
{variables}    <key>RunAtLoad</key>
    <true/>
    <key>KeepAlive</key>
    <dict>
        <key>SuccessfulExit</key>
        <false/>
    </dict>
    <key>ThrottleInterval</key>
    <integer>30</integer>
    <key>ExitTimeOut</key>
    <integer>30</integer>
    <key>StandardErrorPath</key>
    <string>{log}</string>
</dict>
</plist>
"#;

/// The definition of `job`.
pub(super) fn define(job: &Job, variables: &Variables) -> Result<Definition, DefinitionError> {
    let value = |what: &str, value: &str| {
        check(MANAGER, what, value, xml::is_unwritable).map(|()| xml::escaped(value))
    };
    let mut arguments = format!("        <string>{}</string>\n", value("program", &job.program)?);
    for word in job.arguments() {
        arguments += &format!("        <string>{word}</string>\n");
    }
    let mut carried = String::new();
    for (name, folder) in &job.variables {
        carried += &format!("        <key>{name}</key>\n        <string>{}</string>\n", value(name, folder)?);
    }
    if !carried.is_empty() {
        carried = format!("    <key>EnvironmentVariables</key>\n    <dict>\n{carried}    </dict>\n");
    }
    let log = value("log", &job.log)?;
    let values = [("label", LABEL), ("arguments", &*arguments), ("variables", &*carried), ("log", &*log)];
    let text = sealed(&fill(TEMPLATE, &values));
    let path = variables.home()?.join("Library/LaunchAgents").join(format!("{LABEL}.plist"));
    let file = path.to_string_lossy().into_owned();
    Ok(Definition {
        manager: MANAGER,
        path,
        text,
        steps: steps(&job.user, &file),
        log: format!("cat {}", escape::shell_word(OsStr::new(&job.log))),
        notes: vec!["it starts when you log in and ends when you log out".to_owned()],
    })
}

fn steps(user: &str, file: &str) -> Steps {
    let domain = format!("gui/{user}");
    let agent = format!("{domain}/{LABEL}");
    Steps {
        probe: Step::new("launchctl", ["print", domain.as_str()]),
        install: vec![Step::new("launchctl", ["bootstrap", domain.as_str(), file])],
        uninstall: vec![Step::new("launchctl", ["bootout", agent.as_str()])],
        forget: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::odd_job;
    use super::*;

    #[test]
    fn agent_escapes_markup_and_names_file_and_domain() {
        let definition = define(&odd_job(), &Variables::for_tests("/Users/a")).unwrap();
        assert_eq!(definition.path, Path::new("/Users/a/Library/LaunchAgents/minimodel.companion.plist"));
        let text = &definition.text;
        assert!(
            text.contains("<string>/opt/a b/50%/$HOME/&#233;&amp;&lt;;&gt;/minimodel</string>"),
            "{text}"
        );
        assert!(text.contains("<string>/srv/&quot;m&quot;\\50% &amp; &lt;&#233;&gt;</string>"), "{text}");
        assert!(text.contains("<string>--port</string>\n        <string>4711</string>"), "{text}");
        let bootstrap = ["bootstrap", "gui/501", "/Users/a/Library/LaunchAgents/minimodel.companion.plist"];
        assert_eq!(definition.steps.install, [Step::new("launchctl", bootstrap)]);
    }

    #[test]
    fn agent_without_variables_has_no_dictionary_of_them() {
        let job = Job { variables: Vec::new(), ..odd_job() };
        let text = define(&job, &Variables::for_tests("/Users/a")).unwrap().text;
        assert!(!text.contains("EnvironmentVariables") && !text.contains('{'), "{text}");
    }
}
