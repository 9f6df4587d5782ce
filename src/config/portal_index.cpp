#include "config/portal_index.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <exception>
#include <set>
#include <type_traits>
#include <utility>

#include "base/clock.h"
#include "base/siphash.h"
#include "base/text.h"
#include "config/portals.h"

namespace bx {

// The file is a Header and Records sorted by name, as this machine has them in memory.
struct PortalIndex::Header {
    std::array<char, 8> format;
    Stamps stamps;
    std::uint64_t count;   // of records
    std::uint64_t anyone;  // the offset of the portal with neither name, or `nowhere`
};

struct PortalIndex::Record {
    std::uint64_t name;
    std::uint64_t offset;  // of a line that has it
};

namespace {

// Another layout, and other rules for a line of the portals file, are another format.
constexpr std::array<char, 8> format{'b', 'x', 'p', 'o', 'r', 't', '2', '\n'};
constexpr std::uint64_t nowhere = UINT64_MAX;
constexpr std::size_t max_file_size = std::size_t{64} << 20;
constexpr std::size_t max_line = std::size_t{64} << 10;  // with its newline
// A file that is written twice within a tick of the file system's clock may have the same stamp.
constexpr Millis old_enough = 2 * second;

// What a line is found by.  MEANT: a sender of that NAME is that portal; else the name is just known
// to be somebody's.  Equal hashes of unequal names cost time and nothing else, so the key may be
// known.
std::uint64_t hash_of(std::string_view name, bool meant) {
    return (siphash(SipKey{3, 4}, lower(name)) & ~std::uint64_t{1}) | (meant ? 1 : 0);
}

bool is_old(const FileStamp& stamp, Millis now) {
    const Millis newest = std::max(stamp.mtime_ns, stamp.ctime_ns) / 1000000;
    return stamp.size >= 0 && newest + old_enough < now;
}

// The offsets of the lines of TEXT, the first being line 1.
std::vector<std::uint64_t> line_offsets(std::string_view text) {
    std::vector<std::uint64_t> offsets{0, 0};
    for (std::size_t at = text.find('\n'); at != std::string_view::npos;
         at = text.find('\n', at + 1)) {
        offsets.push_back(at + 1);
    }
    return offsets;
}

// OFFSETS are line_offsets(TEXT).
bool has_long_line(std::string_view text, const std::vector<std::uint64_t>& offsets) {
    std::uint64_t end = text.size() + 1;
    for (auto offset = offsets.rbegin(); offset != offsets.rend(); ++offset) {
        if (end - *offset > max_line) return true;
        end = *offset;
    }
    return false;
}

std::string_view bytes_of(const auto& object) {
    static_assert(std::is_trivially_copyable_v<std::remove_cvref_t<decltype(object)>>);
    return {reinterpret_cast<const char*>(&object), sizeof object};
}

// All or nothing, also when the power goes.
void replace_file(const std::string& path, std::string_view bytes) {
    const std::string fresh = path + '.' + std::to_string(::getpid());
    const Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) return;
    const bool written = write_all(file.get(), bytes) && ::fdatasync(file.get()) == 0;
    if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) ::unlink(fresh.c_str());
}

}  // namespace

std::shared_ptr<const PortalIndex> PortalIndex::open(const std::string& path, const Stamps& stamps,
                                                     const std::string& portals) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    Fd file(::open(portals.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    const auto size = static_cast<std::size_t>(fd ? std::max(stamp_of(fd.get()).size, 0LL) : 0);
    if (!file || stamp_of(file.get()) != stamps.portals || size < sizeof(Header)) return nullptr;
    void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (mapped == MAP_FAILED) return nullptr;
    const std::shared_ptr<const PortalIndex> index(
        new PortalIndex({static_cast<const char*>(mapped), size}, std::move(file), portals));
    const Header& header = index->header();
    const bool valid = header.format == format && header.stamps == stamps &&
                       (size - sizeof(Header)) / sizeof(Record) == header.count &&
                       (size - sizeof(Header)) % sizeof(Record) == 0;
    return valid ? index : nullptr;
}

void PortalIndex::write(const std::string& path, const Stamps& stamps, const std::string& file,
                        const std::vector<Portal>& portals, Millis now) noexcept {
    if (!is_old(stamps.config, now) || !is_old(stamps.portals, now)) return;
    try {
        const std::string index = make(stamps, file, portals);
        if (!index.empty()) replace_file(path, index);
    } catch (const std::exception&) {  // the file is gone, or larger than the memory that is left
    }
}

// Empty: there can be none.
std::string PortalIndex::make(const Stamps& stamps, const std::string& file,
                              const std::vector<Portal>& portals) {
    const Fd fd(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
    if (stamp_of(fd.get()) != stamps.portals) return {};
    const std::string text = read_all(fd.get(), "'" + file + "'", max_file_size);
    if (stamp_of(fd.get()) != stamps.portals) return {};
    const std::vector<std::uint64_t> offsets = line_offsets(text);
    if (has_long_line(text, offsets)) return {};
    Header header{format, stamps, 0, nowhere};
    std::vector<Record> records;
    for (const Portal& portal : portals) {
        if (portal.line == 0) continue;
        const std::uint64_t offset = offsets.at(portal.line);
        const bool by_id = !portal.member_id.empty();
        if (by_id) records.push_back({hash_of(portal.member_id, true), offset});
        if (!portal.domain.empty()) records.push_back({hash_of(portal.domain, !by_id), offset});
        if (!by_id && portal.domain.empty()) header.anyone = offset;
    }
    std::ranges::sort(records, {}, &Record::name);
    header.count = records.size();
    std::string bytes(bytes_of(header));
    for (const Record& record : records) bytes += bytes_of(record);
    return bytes;
}

PortalIndex::PortalIndex(std::string_view bytes, Fd file, std::string name)
    : bytes_(bytes), file_(std::move(file)), name_(std::move(name)) {}

PortalIndex::~PortalIndex() { ::munmap(const_cast<char*>(bytes_.data()), bytes_.size()); }

// Of a mapping: it begins with a page.
const PortalIndex::Header& PortalIndex::header() const {
    return *reinterpret_cast<const Header*>(bytes_.data());
}

std::span<const PortalIndex::Record> PortalIndex::records() const {
    return {reinterpret_cast<const Record*>(bytes_.data() + sizeof(Header)), header().count};
}

// clang 14 cannot compile std::ranges::equal_range.
std::span<const PortalIndex::Record> PortalIndex::records_of(std::uint64_t name) const {
    const std::span<const Record> all = records();
    return {std::ranges::lower_bound(all, name, {}, &Record::name),
            std::ranges::upper_bound(all, name, {}, &Record::name)};
}

bool PortalIndex::empty() const { return header().count == 0 && header().anyone == nowhere; }

std::vector<Portal> PortalIndex::find(std::string_view member_id, std::string_view domain) const {
    std::set<std::uint64_t> offsets;
    if (header().anyone != nowhere) offsets.insert(header().anyone);
    for (const std::string_view name : {member_id, domain}) {
        for (const Record& record : records_of(hash_of(name, true))) offsets.insert(record.offset);
        const auto named = records_of(hash_of(name, false));
        if (!named.empty()) offsets.insert(named.front().offset);
    }
    if (offsets.empty() && !records().empty()) offsets.insert(records().front().offset);
    std::vector<Portal> portals;
    for (const std::uint64_t offset : offsets) portals.push_back(portal_at(offset));
    return portals;
}

Portal PortalIndex::portal_at(std::uint64_t offset) const {
    std::string line(max_line, '\0');
    const ssize_t got =
        ::pread(file_.get(), line.data(), line.size(), static_cast<off_t>(offset));
    line.resize(static_cast<std::size_t>(std::max(got, ssize_t{0})));
    line.resize(std::min(line.find('\n'), line.size()));
    Problems problems;
    std::vector<Portal> portals;
    read_portals_line(line, name_, 0, portals, problems);
    const bool same = stamp_of(file_.get()) == header().stamps.portals;
    if (!same || portals.size() != 1) {
        throw PortalsChanged("'" + name_ + "' is being changed");
    }
    return std::move(portals.front());
}

}  // namespace bx
