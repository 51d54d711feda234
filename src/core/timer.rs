//! The files by which the system itself starts due syncs: a systemd user timer, or a launchd agent.

/// What is started, and in which surroundings.
#[derive(Debug, Clone)]
pub struct Timer<'a> {
    /// The program's path.
    pub program: &'a str,
    /// The repository.
    pub folder: &'a str,
    /// Variables that a shell has and the system's own surroundings lack.
    pub variables: Vec<(&'a str, String)>,
}

/// How often the system asks whether a sync is due, in seconds. cfgsync itself decides.
const EVERY: u32 = 60;

impl Timer<'_> {
    fn words(&self) -> [&str; 6] {
        [self.program, "--dir", self.folder, "sync", "--background", "--wait"]
    }

    /// Returns `cfgsync.service`.
    pub fn systemd_unit(&self) -> String {
        let words: Vec<String> = self.words().iter().map(|word| quoted(word, true)).collect();
        let variable = |(name, value): &(&str, String)| {
            format!("Environment={}\n", quoted(&format!("{name}={value}"), false))
        };
        let variables: String = self.variables.iter().map(variable).collect();
        format!(
            "[Unit]\nDescription=Sync config files with cfgsync, if a sync is due\n\n\
             [Service]\nType=oneshot\nExecStart={}\n{variables}Nice=10\n",
            words.join(" ")
        )
    }

    /// Returns `cfgsync.timer`. A time of the calendar that passed during sleep is made up for.
    pub fn systemd_timer() -> String {
        "[Unit]\nDescription=Start cfgsync every minute\n\n\
         [Timer]\nOnCalendar=minutely\nRandomizedDelaySec=20\nPersistent=true\n\n\
         [Install]\nWantedBy=timers.target\n"
            .to_owned()
    }

    /// Returns the agent's property list.
    pub fn launchd(&self, label: &str) -> String {
        let string = |text: &str| format!("<string>{}</string>", escaped(text));
        let word = |word: &&str| format!("    {}\n", string(word));
        let words: String = self.words().iter().map(word).collect();
        let variable = |(name, value): &(&str, String)| {
            format!("    <key>{}</key>{}\n", escaped(name), string(value))
        };
        let variables: String = self.variables.iter().map(variable).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
             \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <plist version=\"1.0\">\n<dict>\n  <key>Label</key>{}\n  \
             <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n  \
             <key>EnvironmentVariables</key>\n  <dict>\n{variables}  </dict>\n  \
             <key>StartInterval</key><integer>{EVERY}</integer>\n  \
             <key>ProcessType</key><string>Background</string>\n</dict>\n</plist>\n",
            string(label)
        )
    }
}

/// Quotes a word for a unit. `%` begins a specifier everywhere, `$` a variable in a command line.
fn quoted(word: &str, is_command: bool) -> String {
    let mut quoted = String::from('"');
    for letter in word.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '%' => quoted.push_str("%%"),
            '$' if is_command => quoted.push_str("$$"),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer() -> Timer<'static> {
        Timer {
            program: "/opt/my tools/cfgsync",
            folder: "/home/a&b/100% $HOME \"x\"",
            variables: vec![("PATH", "/usr/bin:/opt/$b/100%".to_owned())],
        }
    }

    #[test]
    fn a_unit_takes_every_path_as_it_is() {
        let unit = timer().systemd_unit();
        let command = r#"ExecStart="/opt/my tools/cfgsync" "--dir" "/home/a&b/100%% $$HOME \"x\"""#;
        assert!(
            unit.contains(&format!("{command} \"sync\" \"--background\" \"--wait\"\n")),
            "{unit}"
        );
        assert!(unit.contains("Environment=\"PATH=/usr/bin:/opt/$b/100%%\"\n"), "{unit}");
    }

    #[test]
    fn an_agent_takes_every_path_as_it_is() {
        let list = timer().launchd("cfgsync");
        assert!(list.contains("    <string>/home/a&amp;b/100% $HOME \"x\"</string>\n"), "{list}");
        assert!(list.contains("  <key>StartInterval</key><integer>60</integer>\n"), "{list}");
        assert_eq!(list.matches("<dict>").count(), list.matches("</dict>").count());
    }
}
