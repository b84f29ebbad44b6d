//! Runs a test again in a process and a network namespace of its own, in which loopback is the only interface: nothing can leave it, and
//! every packet, socket and thread in it is of this test.

use std::env;
use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Names the test that runs in this process.
const VARIABLE: &str = "MINIMODEL_WAYS_ALONE";
/// Longest run of one test.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs `body`, the body of the test `name`, alone. Says so if the machine does not allow it.
pub(crate) fn run(name: &str, body: fn()) {
    run_within(name, LIMIT, body);
}

/// As [`run`], with another limit.
pub(crate) fn run_within(name: &str, limit: Duration, body: fn()) {
    if env::var(VARIABLE).is_ok_and(|value| value == name) {
        return body();
    }
    let Some(unshare) = unshare() else {
        return minimodel_skipped::skipped(format_args!("{name}: no network namespace (unshare, ip)"));
    };
    let test = env::current_exe().expect("the path of this test");
    let mut command = Command::new("unshare");
    command.args(unshare).args(["sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]).arg(test);
    command.args([name, "--exact", "--nocapture", "--include-ignored"]).env(VARIABLE, name);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("unshare starts");
    let said = (read(child.stdout.take()), read(child.stderr.take()));
    let is_ok = wait(&mut child, limit);
    let said = [said.0, said.1].map(|thread| thread.join().expect("output is read")).concat();
    assert!(is_ok, "{name} failed or took longer than {limit:?}:\n{said}");
    assert!(said.contains("1 passed"), "{name} is no test:\n{said}");
    for line in said.lines().filter(|line| line.starts_with("measured:")) {
        println!("{name}: {line}");
    }
}

/// The number of sockets that this process has open.
pub(crate) fn sockets() -> usize {
    let files = fs::read_dir("/proc/self/fd").expect("the open files of this process");
    let targets = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// The number of threads of this process.
pub(crate) fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("the threads of this process").count()
}

/// The UDP datagrams that were sent in this network, over IPv4 and IPv6. Reports of group members, which the kernel sends, do not count.
pub(crate) fn datagrams() -> u64 {
    let text = fs::read_to_string("/proc/self/net/snmp").expect("the counters of IPv4");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, counts) = (lines.next().expect("names"), lines.next().expect("counts"));
    let mut pairs = names.split(' ').zip(counts.split(' '));
    let (_, v4) = pairs.find(|(name, _)| *name == "OutDatagrams").expect("the counter of UDP");
    let v6 = fs::read_to_string("/proc/self/net/snmp6").unwrap_or_default();
    let v6 = v6.lines().find_map(|line| line.strip_prefix("Udp6OutDatagrams")).unwrap_or("0");
    [v4, v6].map(|count| count.trim().parse::<u64>().expect("a number")).iter().sum()
}

/// Waits until `is_so` returns true.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what} did not come");
        thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}

fn unshare() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
    ways.into_iter().find(|way| {
        let mut command = Command::new("unshare");
        command
            .args(*way)
            .args(["ip", "link", "set", "lo", "up"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

fn read(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    let mut stream = stream.expect("a stream");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, limit: Duration) -> bool {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the child") {
            return status.success();
        }
        if start.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
