#include "cli/portals_import.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/escape.h"
#include "base/fd.h"
#include "base/shell.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/portals_file.h"
#include "report/wording.h"
#include "sync/renewal_process.h"

namespace bx {

namespace {

constexpr std::size_t max_file = std::size_t{64} << 20;  // bytes

// Throws Error when others may read what FD is, a file with secrets.
void require_private(int fd, const std::string& name, const std::string& fix) {
    struct stat info {};
    if (::fstat(fd, &info) != 0) throw_errno("cannot look at '" + name + "'");
    if (!S_ISREG(info.st_mode) || (info.st_mode & (S_IRWXG | S_IRWXO)) == 0) return;
    throw Error("portals: others may read '" + printable(name) + "', which has secrets: " + fix);
}

// As whoever started the command: the file is theirs, and the store another's.
std::string text_of(const std::string& name) {
    if (name == "-") return read_all(STDIN_FILENO, "stdin", max_file);
    const Fd file(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) throw_errno("portals: cannot open '" + printable(name) + "'");
    require_private(file.get(), name, "chmod 600 " + shell_word(name));
    return read_all(file.get(), name, max_file);
}

// That of --app, or of the only block; empty: it has to be said for each.
std::string application_of(const Arguments& args, const Config& config) {
    if (args.has("--app")) return args.value("--app");
    std::string only;
    for (const App& app : config.apps) {
        if (app.client_id.empty()) continue;
        if (!only.empty()) return "";
        only = app.client_id;
    }
    return only;
}

bool has_block(const Config& config, const std::string& client_id) {
    return std::ranges::find(config.apps, client_id, &App::client_id) != config.apps.end();
}

// What another try does not change, until somebody has changed something else.
bool is_final(RestCause cause) {
    return is_refused(cause) || cause == RestCause::wrong_client ||
           cause == RestCause::foreign;
}

class Importer {
public:
    Importer(const Config& config, Store& store, std::string name)
        : config_(config), store_(store), name_(std::move(name)) {}

    // False: the authorization server cannot be asked now, and those that follow need not be tried.
    bool take(const FileEntry& entry) {
        if (!entry.problem.empty()) return fail(entry, entry.problem);
        if (!has_block(config_, entry.portal.client_id)) {
            return fail(entry, "no `app` block has client_id '" +
                                   printable(entry.portal.client_id) + "', add one");
        }
        const Brought brought = store_.transfer().bring(entry.portal, wall_now());
        if (brought.result == Brought::Result::there) {
            ++there_;
            return true;
        }
        return prove(entry, brought);
    }

    int finish(std::size_t left) const {
        print("imported " + counted(imported_, "portal", "portals") + ", " +
              std::to_string(there_) + " were there, " + std::to_string(failed_) + " failed" +
              (left > 0 ? ", " + std::to_string(left) + " not tried" : std::string()) + "\n");
        if (left > 0) remark("the rest was not tried: import '" + printable(name_) + "' again later");
        return failed_ > 0 || left > 0 ? 1 : 0;
    }

private:
    bool fail(const FileEntry& entry, const std::string& problem) {
        ++failed_;
        remark(printable(name_) + ": line " + std::to_string(entry.line) + ": " + problem);
        return true;
    }

    bool prove(const FileEntry& entry, const Brought& brought) {
        const RestResult result =
            renew_apart(config_.path, {.id = brought.id, .client_id = entry.portal.client_id});
        if (result.succeeded()) {
            ++imported_;
            return true;
        }
        const bool final = is_final(result.cause);
        // What no token proves is not to be believed either.
        if (final && brought.result == Brought::Result::made) erase_unproven(brought.id);
        fail(entry, result.text);
        return final;
    }

    // Unless it was installed while the server was asked.
    void erase_unproven(InstallationId id) {
        const auto known = store_.installations().find(id);
        if (known && !known->installation.renewed_at) store_.installations().erase(id);
    }

    const Config& config_;
    Store& store_;
    const std::string name_;
    std::int64_t imported_ = 0;
    std::int64_t there_ = 0;
    std::int64_t failed_ = 0;
};

}  // namespace

int import_portals(const Arguments& args) {
    if (args.words().size() != 2) throw UsageError("import takes one file: portals import FILE");
    const std::string& name = args.words()[1];
    const std::string text = text_of(name);
    const ConfigPtr config = config_of(args, ConfigPart::sync);
    std::vector<FileEntry> entries;
    try {
        entries = read_portals_file(text, application_of(args, *config));
    } catch (const Error& error) {
        throw Error("portals: cannot import '" + printable(name) + "': " + error.what());
    }
    const std::unique_ptr<Store> store = store_of(*config);
    Importer importer(*config, *store, name);
    std::size_t done = 0;
    for (const FileEntry& entry : entries) {
        ++done;
        if (!importer.take(entry)) break;
    }
    return importer.finish(entries.size() - done);
}

int export_portals(const Arguments& args) {
    if (args.words().size() != 1) throw UsageError("export takes no word: portals export --secrets");
    if (!args.has("--secrets")) {
        throw UsageError("export writes refresh tokens, which are secrets: add --secrets, and let "
                         "nobody else read what it writes");
    }
    require_private(STDOUT_FILENO, "the output", "set `umask 077` before it is made, or chmod 600 it");
    const ConfigPtr config = config_of(args, ConfigPart::gateway);
    const std::unique_ptr<Store> store = store_of(*config);
    std::string text;
    for (const BroughtInstallation& portal : store->transfer().all()) text += portals_line(portal);
    print(text);
    return 0;
}

}  // namespace bx
