// Where this worker belongs, and whether its files are still there.  By FTP people rename the
// directory that holds config, hooks and store, or delete it: the worker would live on in it, find
// no hooks, and keep the place of the one that is wanted now.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/log.h"
#include "config/store_place.h"
#include "host/binary_watch.h"
#include "host/file_id.h"
#include "host/worker_lock.h"

namespace bx {

class WorkerPlace {
public:
    // Of a worker with this config file, the store open that is at STORE, and LOCK held.
    WorkerPlace(std::string config_path, const StorePlace& store, const WorkerLock& lock);

    // What is no longer where it was, in words; empty: all is.  With PostgreSQL the store itself
    // has no place here, only its lock.
    std::string lost() const;
    // The config file where its directory is now, which may have been renamed; empty: nowhere.
    std::string config_now() const;
    // Another program stands in the place of this one, and can run; one that cannot is logged.
    bool has_new_program(Log& log);

private:
    const std::string config_path_;
    const Fd config_dir_;           // follows a rename
    const std::string store_file_;  // empty: it is no file
    const FileId store_id_;
    const WorkerLock& lock_;
    BinaryWatch program_;
};

}  // namespace bx
