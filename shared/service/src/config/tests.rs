//! Precedence and refusals of flags, environment and file.

use super::*;
use clap::Parser;
use std::fs;

#[derive(Debug, Parser)]
#[command(name = "tidemill-test")]
struct Config {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    write: Write,
    /// A service's own
    #[arg(long, env = "TIDEMILL_CONFIG_TEST_LIMIT", default_value_t = 5)]
    limit: u32,
    /// A switch
    #[arg(long)]
    verbose: bool,
}

const GOOD: &str = "kafka = \"a:1, b:2\"\nregistry = \"http://r:3/\"\ntoken = \"0123456789abcdef\"\nlimit = 7\nverbose = true\n";

/// Loads without the machine's own `TIDEMILL_*`: `make test` sets them for other tests.
fn load_here<C: CommandFactory + FromArgMatches>(args: impl IntoIterator<Item = OsString>) -> Result<C, Error> {
    let ours = |a: &clap::Arg| a.get_env().is_some_and(|name| name.to_string_lossy().starts_with("TIDEMILL_"));
    let command = C::command().mut_args(|a| if ours(&a) { a.env(clap::builder::Resettable::Reset) } else { a });
    load_as(command, "127.0.0.1:7101", args)
}

fn load_with(file: &str, args: &[&str]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service.toml");
    fs::write(&path, file).unwrap();
    let args = ["tidemill-test", "--config", path.to_str().unwrap()].into_iter().chain(args.iter().copied());
    load_here(args.map(OsString::from)).map_err(|e| e.to_string().replace(path.to_str().unwrap(), "FILE"))
}

#[test]
fn a_file_fills_what_flags_leave_open() {
    let config = load_with(GOOD, &["--registry", "http://flag:4"]).unwrap();
    assert_eq!(config.common.kafka, "a:1,b:2");
    assert_eq!(config.common.registry, "http://flag:4");
    assert_eq!(config.common.listen.to_string(), "127.0.0.1:7101");
    assert_eq!(config.common.instance, 1);
    assert_eq!((config.limit, config.verbose), (7, true));
}

#[test]
fn a_variable_beats_the_file_and_a_flag_beats_the_variable() {
    // no environment is changed: cargo sets this one for every test, and it is a number
    #[derive(Debug, Parser)]
    struct Versioned {
        #[command(flatten)]
        common: Common,
        #[arg(long, env = "CARGO_PKG_VERSION_MINOR", default_value_t = 77)]
        minor: u32,
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service.toml");
    fs::write(&path, "kafka = \"a:1\"\nregistry = \"http://r:3\"\nminor = 99\n").unwrap();
    let load = |more: &[&str]| {
        let args = ["x", "--config", path.to_str().unwrap()].into_iter().chain(more.iter().copied());
        load_here::<Versioned>(args.map(OsString::from)).unwrap()
    };
    let from_environment: u32 = env!("CARGO_PKG_VERSION_MINOR").parse().unwrap();
    assert_eq!(load(&[]).minor, from_environment);
    assert_eq!(load(&["--minor", "3"]).minor, 3);
    assert_eq!(load(&[]).common.kafka, "a:1");
}

#[test]
fn the_file_is_refused_with_its_line() {
    for (more, said) in [
        ("colour = \"red\"", "FILE:6: there is no setting `colour`; there are: instance, kafka, limit, listen"),
        ("config = \"x\"", "FILE:6: there is no setting `config`"),
        ("instance = [1]", "FILE:6: `instance` has the type array, but one string or number is wanted"),
        ("\n[kafka]\nx = 1", "FILE:"),
        ("instance = 0", "FILE:6: `instance`: invalid value '0' for '--instance <N>'"),
        ("listen = \"here\"", "FILE:6: `listen`: invalid value 'here' for '--listen <ADDRESS:PORT>': `here` is not an address"),
        ("log-format = \"xml\"", "FILE:6: `log-format`: invalid value 'xml'"),
        ("instance = ", "FILE:6: "),
        ("verbose = 1", "FILE:"),
    ] {
        let error = load_with(&format!("{GOOD}{more}\n"), &[]).unwrap_err();
        assert!(error.starts_with(said), "{more}\n{error}");
    }
    let missing = load::<Config>("127.0.0.1:1", ["x", "--config", "/nowhere/x.toml"].map(OsString::from)).unwrap_err();
    assert!(missing.to_string().starts_with("/nowhere/x.toml: "), "{missing}");
}

#[test]
fn values_are_refused_in_words() {
    for (args, said) in [
        (["--kafka", "localhost"], "`localhost` has no port"),
        (["--kafka", "a:1,http://b:2"], "`http://b` is not a host"),
        (["--kafka", "a:0"], "`0` is not a port"),
        (["--registry", "r:3"], "is not a URL"),
        (["--registry", "ftp://r"], "is not a URL"),
        (["--token", "short"], "at least 16"),
        (["--workers", "0"], "1..=64"),
        (["--log", "a=b=c"], "invalid"),
    ] {
        let error = load_with(GOOD, &args).unwrap_err();
        assert!(error.contains(said), "{args:?}\n{error}");
    }
}

#[test]
fn the_token_shows_nowhere() {
    let config = load_with(GOOD, &[]).unwrap();
    assert_eq!(config.write.token.expose(), "0123456789abcdef");
    assert!(!format!("{config:?}").contains("0123456789abcdef"));
}

#[test]
fn a_store_is_a_folder_or_a_bucket() {
    assert_eq!(values::store_url("file:///var/lib/tide%20mill").unwrap(), "file:///var/lib/tide%20mill");
    assert!(values::store_url("s3://bucket/models").is_ok());
    for bad in ["", "/var/lib", "file://host/path", "file://", "file:///a b", "file:///a?b", "s3://", "http://h/p"] {
        assert!(values::store_url(bad).is_err(), "{bad}");
    }
}

#[test]
fn durations_have_a_unit() {
    assert_eq!(values::duration("250ms").unwrap().as_millis(), 250);
    assert_eq!(values::duration("2m").unwrap().as_secs(), 120);
    for bad in ["", "5", "s", "0s", "1.5s", "-1s", "5 s", "99999999999999999999s", "18446744073709551615m", "5µs"] {
        assert!(values::duration(bad).is_err(), "{bad}");
    }
}
