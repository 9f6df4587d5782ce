#include "postgres/link.h"

#include <endian.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "config/store_place.h"

namespace bx::postgres {

namespace {

// pg_type.h: they never change.
constexpr unsigned type_bool = 16, type_bytea = 17, type_bigint = 20, type_text = 25;
constexpr unsigned type_bytea_array = 1001, type_text_array = 1009, type_bigint_array = 1016;

constexpr Millis poll_step = 10;  // between two questions whether to give up

// -- The server's binary format

void append(std::string& out, std::uint32_t number) {
    const std::uint32_t big = htobe32(number);
    out.append(reinterpret_cast<const char*>(&big), sizeof big);
}

std::string big_endian(std::int64_t number) {
    const std::uint64_t big = htobe64(static_cast<std::uint64_t>(number));
    return {reinterpret_cast<const char*>(&big), sizeof big};
}

// One dimension, counted from 1.
template <typename List, typename Encode>
std::string array_of(unsigned type, const List& values, Encode encode) {
    std::string out;
    append(out, values.empty() ? 0 : 1);
    append(out, 1);  // it may hold NULL
    append(out, type);
    if (values.empty()) return out;
    append(out, static_cast<std::uint32_t>(values.size()));
    append(out, 1);
    for (const auto& value : values) {
        const std::optional<std::string> bytes = encode(value);
        append(out, bytes ? static_cast<std::uint32_t>(bytes->size()) : 0xFFFFFFFFU);
        if (bytes) out += *bytes;
    }
    return out;
}

// -- The parameters of a URL, one set a host

struct Parameters {
    std::vector<std::string> names;
    std::vector<std::string> values;

    std::string* find(std::string_view name) {
        const auto found = std::ranges::find(names, name);
        return found == names.end() ? nullptr
                                    : &values[static_cast<std::size_t>(found - names.begin())];
    }
    void put(std::string_view name, std::string_view value) {
        if (std::string* old = find(name)) {
            *old = value;
        } else {
            names.emplace_back(name);
            values.emplace_back(value);
        }
    }
    void put_default(std::string_view name, std::string_view value) {
        if (find(name) == nullptr) put(name, value);
    }
};

Parameters parameters_of(const std::string& url) {
    char* why = nullptr;
    PQconninfoOption* const options = PQconninfoParse(url.c_str(), &why);
    PQfreemem(why);  // not shown: it may quote the password
    if (options == nullptr) {
        throw StoreError("cannot read the URL of the store: see bxhook.conf(5)");
    }
    Parameters parameters;
    for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
        if (option->val != nullptr) parameters.put(option->keyword, option->val);
    }
    PQconninfoFree(options);
    return parameters;
}

std::string list_item(std::string_view list, std::size_t index) {
    const std::vector<std::string_view> items = split(list, ',');
    if (items.size() == 1) return std::string(items[0]);  // one for all
    return index < items.size() ? std::string(items[index]) : std::string();
}

std::size_t host_count(Parameters& parameters) {
    std::size_t count = 1;
    for (const char* name : {"host", "hostaddr"}) {
        const std::string* list = parameters.find(name);
        if (list != nullptr) count = std::max(count, split(*list, ',').size());
    }
    return count;
}

Parameters parameters_of_host(const std::string& url, std::size_t host) {
    Parameters parameters = parameters_of(url);
    for (const char* name : {"host", "hostaddr", "port"}) {
        if (std::string* list = parameters.find(name)) *list = list_item(*list, host);
    }
    // A server that takes no writes cannot be a store.
    parameters.put_default("target_session_attrs", "read-write");
    parameters.put_default("application_name", "bxhook");
    parameters.put("client_encoding", "UTF8");
    parameters.put_default("keepalives_idle", "10");
    parameters.put_default("keepalives_interval", "5");
    parameters.put_default("keepalives_count", "3");
    return parameters;
}

// For messages: what matters stands behind it, and must not be cut off.
std::string without_options(const std::string& url) { return url.substr(0, url.find('?')); }

// libpq's texts end in a line break and may be of several lines.
std::string one_line(const char* text) {
    std::string line(trim(text == nullptr ? "" : text));
    std::ranges::replace(line, '\n', ' ');
    return line;
}

// The host that worked last; kept for the whole process: stores are opened anew after trouble.
std::atomic<std::size_t> last_host{0};

bool starts_with_any(std::string_view code, std::initializer_list<std::string_view> classes) {
    return std::ranges::any_of(classes, [&](auto c) { return code.starts_with(c); });
}

std::string advice(std::string_view code) {
    if (code == "42501") return "; see 'least rights' in bxhook(1)";
    if (starts_with_any(code, {"3F000", "42P01", "42883", "42703"})) {
        return "; run 'bxhook store init', or 'bxhook store upgrade'";
    }
    return {};
}

}  // namespace

// -- Params

Param Param::null() { return {0, std::nullopt}; }
Param Param::number(std::int64_t value) { return {type_bigint, big_endian(value)}; }
Param Param::number(std::optional<std::int64_t> value) {
    return value ? number(*value) : Param(type_bigint, std::nullopt);
}
Param Param::text(std::string_view value) { return {type_text, std::string(value)}; }
Param Param::bytes(std::string_view value) { return {type_bytea, std::string(value)}; }
Param Param::boolean(bool value) { return {type_bool, std::string(1, value ? '\1' : '\0')}; }

Param Param::numbers(const std::vector<std::optional<std::int64_t>>& values) {
    return {type_bigint_array, array_of(type_bigint, values, [](const auto& value) {
                return value ? std::optional(big_endian(*value)) : std::nullopt;
            })};
}
Param Param::numbers(const std::vector<std::int64_t>& values) {
    return {type_bigint_array, array_of(type_bigint, values, [](std::int64_t value) {
                return std::optional(big_endian(value));
            })};
}
Param Param::texts(const std::vector<std::string>& values) {
    return {type_text_array, array_of(type_text, values, [](const std::string& value) {
                return std::optional(value);
            })};
}
Param Param::bytes(const std::vector<std::optional<std::string>>& values) {
    const auto as_it_is = [](const auto& value) { return value; };
    return {type_bytea_array, array_of(type_bytea, values, as_it_is)};
}

// -- Answers

void Result::Clear::operator()(pg_result* result) const { PQclear(result); }

int Result::rows() const { return PQntuples(result_.get()); }

bool Result::is_null(int row, int column) const {
    return PQgetisnull(result_.get(), row, column) == 1;
}

std::int64_t Result::number(int row, int column) const {
    const auto size = static_cast<std::size_t>(PQgetlength(result_.get(), row, column));
    const char* const bytes = PQgetvalue(result_.get(), row, column);
    if (size == 0) return 0;  // NULL
    auto value = static_cast<std::int64_t>(static_cast<signed char>(bytes[0]));
    for (std::size_t i = 1; i < size; ++i) {
        value = value * 256 + static_cast<unsigned char>(bytes[i]);
    }
    return value;
}

std::optional<std::int64_t> Result::maybe_number(int row, int column) const {
    if (is_null(row, column)) return std::nullopt;
    return number(row, column);
}

std::string Result::text(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::string Result::word(int row, int column) const {
    return PQgetvalue(result_.get(), row, column);
}

// -- Connecting

void Link::Close::operator()(pg_conn* handle) const { PQfinish(handle); }

Link::Link(const std::string& url, Patience patience, Millis until)
    : patience_(std::move(patience)), place_(without_options(bx::without_password(url))) {
    Parameters parameters = parameters_of(url);
    const std::size_t hosts = host_count(parameters);
    const std::size_t first = last_host;
    std::string failures;
    for (std::size_t tried = 0; tried < hosts; ++tried) {
        const std::size_t host = (first + tried) % hosts;
        const Millis now = steady_now();
        const Millis share = std::max<Millis>(until - now, 0) / static_cast<Millis>(hosts - tried);
        std::string failure;
        if (connect(url, host, now + share, failure)) {
            last_host = host;
            return;
        }
        if (failures.find(failure) == std::string::npos) {
            failures += (failures.empty() ? "" : "; ") + failure;
        }
        if (patience_.give_up && patience_.give_up()) break;
    }
    throw StoreAway("cannot open store '" + place_ + "': " + failures);
}

Link::~Link() = default;

bool Link::connect(const std::string& url, std::size_t host, Millis until, std::string& failure) {
    const Parameters parameters = parameters_of_host(url, host);
    std::vector<const char*> names, values;
    for (std::size_t i = 0; i < parameters.names.size(); ++i) {
        names.push_back(parameters.names[i].c_str());
        values.push_back(parameters.values[i].c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    handle_.reset(PQconnectStartParams(names.data(), values.data(), 0));
    if (!handle_) throw std::bad_alloc();
    try {
        auto state = PGRES_POLLING_WRITING;
        while (PQstatus(handle_.get()) != CONNECTION_BAD && state != PGRES_POLLING_OK) {
            wait(state == PGRES_POLLING_READING ? POLLIN : POLLOUT, until);
            state = PQconnectPoll(handle_.get());
            if (state == PGRES_POLLING_FAILED) break;
        }
    } catch (const StoreAway& error) {
        const char* const name = PQhost(handle_.get());
        failure = std::string(name == nullptr ? "the server" : name) + " does not answer";
        return false;
    }
    if (PQstatus(handle_.get()) != CONNECTION_OK) {
        failure = one_line(PQerrorMessage(handle_.get()));
        return false;
    }
    PQsetnonblocking(handle_.get(), 1);
    const auto note = [](void* self, const PGresult* result) {
        const char* const level = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
        if (level != nullptr && std::strcmp(level, "WARNING") == 0) {
            static_cast<Link*>(self)->warned_ = true;
        }
    };
    PQsetNoticeReceiver(handle_.get(), note, this);
    return true;
}

// -- Statements

Result Link::run(std::string_view sql, const Params& values, Millis until) {
    auto [place, is_new] = prepared_.try_emplace(std::string(sql), "");
    if (is_new) {
        try {
            prepare(sql, values, "s" + std::to_string(prepared_.size()), until);
        } catch (...) {
            prepared_.erase(place);
            throw;
        }
        place->second = "s" + std::to_string(prepared_.size());
    }
    std::vector<const char*> data;
    std::vector<int> sizes;
    for (const Param& value : values) {
        data.push_back(value.data_ ? value.data_->data() : nullptr);
        sizes.push_back(value.data_ ? static_cast<int>(value.data_->size()) : 0);
    }
    const std::vector<int> binary(values.size(), 1);
    if (PQsendQueryPrepared(handle_.get(), place->second.c_str(), static_cast<int>(values.size()),
                            data.data(), sizes.data(), binary.data(), 1) == 0) {
        lose(one_line(PQerrorMessage(handle_.get())));
    }
    flush(until);
    return fetch(until);
}

void Link::prepare(std::string_view sql, const Params& values, const std::string& name,
                   Millis until) {
    std::vector<Oid> types;
    for (const Param& value : values) types.push_back(value.type_);
    if (PQsendPrepare(handle_.get(), name.c_str(), std::string(sql).c_str(),
                      static_cast<int>(types.size()), types.data()) == 0) {
        lose(one_line(PQerrorMessage(handle_.get())));
    }
    flush(until);
    fetch(until);
}

Result Link::script(const std::string& sql, Millis until) {
    if (PQsendQuery(handle_.get(), sql.c_str()) == 0) lose(one_line(PQerrorMessage(handle_.get())));
    flush(until);
    return fetch(until);
}

void Link::flush(Millis until) {
    for (;;) {
        const int left = PQflush(handle_.get());
        if (left == 0) return;
        if (left < 0) lose(one_line(PQerrorMessage(handle_.get())));
        wait(POLLIN | POLLOUT, until);
        if (PQconsumeInput(handle_.get()) == 0) lose(one_line(PQerrorMessage(handle_.get())));
    }
}

// The last result, or the first failure among them.
Result Link::fetch(Millis until) {
    Result last(nullptr);
    Result failed(nullptr);
    for (;;) {
        while (PQisBusy(handle_.get()) == 1) {
            wait(POLLIN, until);
            if (PQconsumeInput(handle_.get()) == 0) lose(one_line(PQerrorMessage(handle_.get())));
        }
        pg_result* const result = PQgetResult(handle_.get());
        if (result == nullptr) break;
        const ExecStatusType status = PQresultStatus(result);
        const bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
        (good || failed.result_ ? last : failed).result_.reset(result);
    }
    if (failed.result_) fail(failed.result_.get());
    return last;
}

// Until the socket is ready; throws StoreAway when UNTIL comes first.
void Link::wait(short events, Millis until) {
    pollfd set{PQsocket(handle_.get()), events, 0};
    for (;;) {
        const Millis left = until - steady_now();
        const bool asked = patience_.give_up && patience_.give_up();
        if (left <= 0 || asked) lose(asked ? "told to stop" : "it does not answer in time");
        const Millis step = patience_.give_up ? std::min(left, poll_step) : left;
        if (::poll(&set, 1, static_cast<int>(step)) > 0) return;
    }
}

void Link::lose(const std::string& why) {
    broken_ = true;
    throw StoreAway("lost the server of store '" + place_ + "': " + why);
}

void Link::fail(const pg_result* result) {
    const char* const field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string code = field == nullptr ? "" : field;
    const char* const primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const std::string why = one_line(primary == nullptr ? PQresultErrorMessage(result) : primary);
    const std::string text = "store '" + place_ + "': " + why;
    if (PQstatus(handle_.get()) == CONNECTION_BAD || code.empty() ||
        starts_with_any(code, {"08", "57P", "25006", "53300"})) {
        broken_ = true;
        throw StoreAway(text);
    }
    if (starts_with_any(code, {"40"})) throw Conflict(text);
    if (code == "57014") throw StoreSlow(text);  // statement_timeout
    if (code == "55P03") throw StoreBusy(text);
    // A value that does not fit, a constraint, a limit of the server.
    if (starts_with_any(code, {"22", "23", "54"})) throw StoreDataError(text);
    throw StoreError(text + advice(code));
}

// -- Its state

bool Link::lives() const { return !broken_ && PQstatus(handle_.get()) == CONNECTION_OK; }

bool Link::take_warning() { return std::exchange(warned_, false); }

int Link::fd() const { return lives() ? PQsocket(handle_.get()) : -1; }

bool Link::take_notices() {
    if (PQconsumeInput(handle_.get()) == 0) {
        broken_ = true;
        return true;
    }
    bool any = false;
    while (PGnotify* const notice = PQnotifies(handle_.get())) {
        any = any || notice->be_pid != PQbackendPID(handle_.get());
        PQfreemem(notice);
    }
    return any;
}

std::string Link::host() const {
    const char* const name = PQhost(handle_.get());
    const char* const port = PQport(handle_.get());
    return std::string(name == nullptr ? "" : name) + ":" + (port == nullptr ? "" : port);
}

}  // namespace bx::postgres
