// Where in a portals file the portals stand: for a process that lives for one request, and would
// read 20,000 lines to find one of them.
//
// A file beside the store (WORKER_FILES.portals), written by the first such process that has read
// and checked the whole of the portals file, together with the configuration, and found nothing
// wrong.  It counts only while both files are the same as then, byte for byte as far as their
// stamps tell: after any change everything is read and checked again.  It holds no token and no
// name, only hashes of names and the places of lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "config/config.h"
#include "config/file_stamp.h"

namespace bx {

// A portals file was changed, or replaced, since its index was opened.
class PortalsChanged : public Error {
public:
    using Error::Error;
};

class PortalIndex {
public:
    // The two files the index is of.
    struct Stamps {
        FileStamp config;
        FileStamp portals;
        bool operator==(const Stamps&) const = default;
    };

    // The index at PATH of the portals file at PORTALS; null when there is none that is of STAMPS.
    static std::shared_ptr<const PortalIndex> open(const std::string& path, const Stamps& stamps,
                                                   const std::string& portals);
    // Writes that of PORTALS, which were read of the file at FILE when it had STAMPS.  NOW is wall
    // time.  Where it cannot be written, or the files changed so recently that a second change
    // might not show in the stamps, or a line is longer than find() reads, there is none.  Throws
    // nothing that its caller must know: an index is never needed.
    static void write(const std::string& path, const Stamps& stamps, const std::string& file,
                      const std::vector<Portal>& portals, Millis now) noexcept;

    ~PortalIndex();
    PortalIndex(const PortalIndex&) = delete;
    PortalIndex& operator=(const PortalIndex&) = delete;

    bool empty() const;
    // Those portals of the file that say what all of them say of a sender with that MEMBER_ID and
    // DOMAIN (event/gate.h).  At least one, if there is any: that the work is the same for a sender
    // nobody knows.  Throws PortalsChanged when the file is not the one of the index any more.
    std::vector<Portal> find(std::string_view member_id, std::string_view domain) const;

private:
    struct Header;
    struct Record;
    PortalIndex(std::string_view bytes, Fd file, std::string name);
    static std::string make(const Stamps& stamps, const std::string& file,
                            const std::vector<Portal>& portals);
    const Header& header() const;
    std::span<const Record> records() const;
    std::span<const Record> records_of(std::uint64_t name) const;
    Portal portal_at(std::uint64_t offset) const;

    std::string_view bytes_;  // mapped
    Fd file_;                 // the portals file
    std::string name_;        // its
};

}  // namespace bx
