//! A Redis to test against: the one that `TIDEMILL_REDIS` names, or one of our own.

use compact_str::{CompactString, format_compact};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tidemill_online_store::{Partition, RedisStore};

/// A running Redis, and a pipeline name that no other test uses on it.
pub(crate) struct Redis {
    pub(crate) address: String,
    pub(crate) pipeline: CompactString,
    child: Option<Child>,
    _dir: Option<tempfile::TempDir>,
}

impl Redis {
    /// `None` only where a service may be missing: with `CI` or `TIDEMILL_TEST_REQUIRE=1` set, that fails.
    pub(crate) fn start(test: &str) -> Option<Self> {
        match std::env::var("TIDEMILL_REDIS") {
            Ok(address) => Some(Self { address, pipeline: unique(test), child: None, _dir: None }),
            Err(_) => Self::start_own(test),
        }
    }

    /// One that the test may harm.
    pub(crate) fn start_own(test: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            let required = std::env::var_os("CI").is_some() || std::env::var("TIDEMILL_TEST_REQUIRE").is_ok_and(|v| v == "1");
            assert!(!required, "redis-server is not on the PATH: install it, or run `make test`, which does");
            eprintln!("skipped: redis-server is not here");
            return None;
        };
        let redis = Self { address: format!("127.0.0.1:{port}"), pipeline: unique(test), child: Some(child), _dir: Some(dir) };
        let deadline = Instant::now() + Duration::from_secs(20);
        while redis.connection().is_err() {
            assert!(Instant::now() < deadline, "redis-server does not answer on {}", redis.address);
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(redis)
    }

    pub(crate) fn store(&self) -> RedisStore {
        RedisStore::new(&self.address, Duration::from_secs(5)).unwrap()
    }

    pub(crate) fn partition(&self, partition: i32) -> Partition {
        Partition::new(&self.pipeline, "customer", partition)
    }

    /// Forgets all of this test's keys in one step: what `FLUSHALL` does, without harm to other tests.
    pub(crate) fn empty(&self) {
        let script = "for _, k in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', k) end";
        let pattern = format!("tm:{{{}:*", self.pipeline);
        self.command(redis::cmd("EVAL").arg(script).arg(0).arg(pattern));
    }

    pub(crate) fn command(&self, cmd: &redis::Cmd) {
        cmd.exec(&mut self.connection().unwrap()).unwrap();
    }

    fn connection(&self) -> redis::RedisResult<redis::Connection> {
        redis::Client::open(format!("redis://{}", self.address))?.get_connection_with_timeout(Duration::from_secs(5))
    }
}

fn unique(test: &str) -> CompactString {
    format_compact!("test-{test}-{}", std::process::id())
}

impl Drop for Redis {
    fn drop(&mut self) {
        match &mut self.child {
            None => self.empty(),
            Some(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}
