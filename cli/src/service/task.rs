//! A task of the Windows Task Scheduler, started when its user logs on.

use super::{Definition, DefinitionError, Job, Step, Steps, Variables, check, fill, sealed, xml};

const MANAGER: &str = "the Task Scheduler";
/// Name of the task, before the user's: names are common to all accounts of a machine.
const TASK: &str = "minimodel-companion";

/// No encoding is declared, and the text is ASCII: `schtasks` reads it alike in every code page.
const TEMPLATE: &str = r#"<?xml version="1.0"?>
<!-- {seal} -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>MiniModel companion, which keeps this user's shares and fetches of models going</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{user}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>10</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{program}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"#;

/// The definition of `job`. The file is a copy, from which the manager makes the task and by which it is recognized later.
pub(super) fn define(job: &Job, variables: &Variables) -> Result<Definition, DefinitionError> {
    if job.user.is_empty() {
        return Err(DefinitionError::Account);
    }
    let value = |what: &str, value: &str| {
        check(MANAGER, what, value, xml::is_unwritable).map(|()| xml::escaped(value))
    };
    let (program, user) = (value("program", &job.program)?, value("account", &job.user)?);
    let arguments = job.arguments().join(" ");
    let values = [("user", &*user), ("program", &*program), ("arguments", &*arguments)];
    let text = sealed(&fill(TEMPLATE, &values));
    let path = variables.local()?.join("minimodel").join(format!("{TASK}.xml"));
    let mut notes = vec!["it starts when you log on and ends when you log off".to_owned()];
    if let Some((name, value)) = job.variables.first() {
        notes.push(format!(
            "a task carries no variables: set it for your account as well, `setx {name} \"{value}\"`"
        ));
    }
    let steps = steps(&job.user, &path.to_string_lossy(), &job.program);
    let log = "minimodel companion run".to_owned();
    Ok(Definition { manager: MANAGER, path, text, steps, log, notes })
}

fn steps(user: &str, file: &str, program: &str) -> Steps {
    let account = user.rsplit('\\').next().unwrap_or(user);
    let name = format!("{TASK}-{account}");
    let schtasks = |words: &[&str]| Step::new("schtasks", words.iter().copied());
    Steps {
        probe: schtasks(&["/?"]),
        install: vec![schtasks(&["/Create", "/TN", &name, "/XML", file]), schtasks(&["/Run", "/TN", &name])],
        // The Task Scheduler ends a task by force alone, so the companion is asked first.
        uninstall: vec![
            Step::new(program, ["companion", "stop"]),
            schtasks(&["/Delete", "/TN", &name, "/F"]),
        ],
        forget: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::odd_job;
    use super::*;

    fn variables() -> Variables {
        Variables::read(|name| (name == "LOCALAPPDATA").then(|| "/local".into()))
    }

    #[test]
    fn task_is_ascii_and_of_its_user_alone() {
        let job = Job { user: "DESK\\zoë & co".to_owned(), ..odd_job() };
        let definition = define(&job, &variables()).unwrap();
        let text = &definition.text;
        assert!(text.is_ascii(), "{text}");
        assert_eq!(text.matches("<UserId>DESK\\zo&#235; &amp; co</UserId>").count(), 2, "{text}");
        assert!(
            text.contains("<Command>/opt/a b/50%/$HOME/&#233;&amp;&lt;;&gt;/minimodel</Command>"),
            "{text}"
        );
        assert!(text.contains("<Arguments>companion run --port 4711</Arguments>"), "{text}");
        assert_eq!(definition.steps.install[0].arguments[2], "minimodel-companion-zoë & co");
        assert!(definition.notes.iter().any(|note| note.contains("setx MINIMODEL_HOME")));
    }

    #[test]
    fn task_without_an_account_is_refused() {
        let job = Job { user: String::new(), ..odd_job() };
        assert_eq!(define(&job, &variables()).unwrap_err(), DefinitionError::Account);
    }
}
