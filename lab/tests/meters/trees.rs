//! Lays out the recorded trees in `trees/`.

use std::fs;
use std::path::{Path, PathBuf};

use pouco_lab::meters::Target;
use tempfile::TempDir;

pub(crate) const CONTAINER: &str = "799d7a677221ef33993a8f6d5ba798a83b007f48c80cb0d8ff14546926b8b159";

/// The id of the container's process in all trees.
pub(crate) const PID: i32 = 4711;

/// A recorded tree in a folder of its own.
pub(crate) struct Tree {
    folder: TempDir,
}

impl Tree {
    /// Writes the files of `trees/NAME.txt`.
    pub(crate) fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tree = Self { folder };
        let recorded = format!("{}/tests/meters/trees/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&recorded).unwrap_or_else(|error| panic!("{recorded}: {error}"));
        // Before the first stands what the tree is.
        for section in text.split("==> ").skip(1) {
            let (path, content) = section.split_once('\n').unwrap();
            tree.write(path, content);
        }
        tree
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the tree.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let file = self.file(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    /// The container in it.
    pub(crate) fn container(&self) -> Target {
        Target {
            service: "api1".into(),
            role: None,
            pid: PID,
            container_id: Some(CONTAINER.into()),
            root: self.root().to_path_buf(),
        }
    }

    /// A plain process with the limits of the tree, in which its id is 1.
    pub(crate) fn process(&self, pid: i32) -> Target {
        fs::create_dir_all(self.file("proc/1")).unwrap();
        fs::copy(self.file("proc/4711/cgroup"), self.file("proc/1/cgroup")).unwrap();
        Target { pid, container_id: None, ..self.container() }
    }
}
