#include "gateway/record_reader.h"

#include <algorithm>
#include <utility>

#include "gateway/server_limits.h"

namespace bx {

namespace {

constexpr std::uint8_t version = 1;
constexpr std::uint16_t responder = 1;
constexpr std::uint8_t keep_connection = 1;
// The protocolStatus of END_REQUEST.
constexpr std::uint8_t request_complete = 0;
constexpr std::uint8_t cannot_multiplex = 1;
constexpr std::uint8_t unknown_role = 3;
constexpr std::size_t asked_limit = 512;  // bytes of GET_VALUES looked at: all names have 44
// A peer that asks without end and reads no answer is not to fill our memory.
constexpr std::size_t replies_limit = 4096;

std::uint8_t byte(std::string_view data, std::size_t at) {
    return static_cast<std::uint8_t>(data[at]);
}

std::uint16_t two_bytes(std::string_view data, std::size_t at) {
    return static_cast<std::uint16_t>(byte(data, at) << 8 | byte(data, at + 1));
}

// The length at the front of PARAMS (one byte, or four with the top bit set), taken off; false when
// it is cut.
bool take_length(std::string_view& params, std::size_t& length) {
    if (params.empty()) return false;
    std::size_t size = byte(params, 0) & 0x80 ? 4 : 1;
    if (params.size() < size) return false;
    length = byte(params, 0) & 0x7f;
    for (std::size_t i = 1; i < size; ++i) length = length << 8 | byte(params, i);
    params.remove_prefix(size);
    return true;
}

// The answer to GET_VALUES: those of the names that were asked and are known.
std::string values_for(std::string_view asked, std::size_t connections) {
    std::string values;
    auto add = [&values](std::string_view name, std::string_view value) {
        values += static_cast<char>(name.size());
        values += static_cast<char>(value.size());
        values.append(name).append(value);
    };
    for (NameValue pair; take_name_value(asked, pair);) {
        bool counts = pair.name == "FCGI_MAX_CONNS" || pair.name == "FCGI_MAX_REQS";
        if (counts) add(pair.name, std::to_string(connections));
        if (pair.name == "FCGI_MPXS_CONNS") add(pair.name, "0");
    }
    return values;
}

}  // namespace

bool take_name_value(std::string_view& params, NameValue& pair) {
    std::string_view left = params;  // a pair that is cut is not taken
    std::size_t name = 0;
    std::size_t value = 0;
    if (!take_length(left, name) || !take_length(left, value)) return false;
    if (name + value > left.size()) return false;
    pair = {left.substr(0, name), left.substr(name, value)};
    params = left.substr(name + value);
    return true;
}

bool are_complete_params(std::string_view params) {
    NameValue pair;
    while (take_name_value(params, pair)) {}
    return params.empty();
}

void append_record(std::string& out, std::uint8_t type, std::uint16_t id,
                   std::string_view content) {
    std::size_t size = content.size();
    const std::array<char, 8> header{
        static_cast<char>(version),   static_cast<char>(type),        static_cast<char>(id >> 8),
        static_cast<char>(id & 0xff), static_cast<char>(size >> 8), static_cast<char>(size & 0xff),
        0,                            0};
    out.append(header.data(), header.size()).append(content);
}

std::size_t RecordReader::take(std::string_view data, std::size_t body_limit) {
    std::string_view rest = data;
    while (!rest.empty() && (state_ == State::idle || state_ == State::partial)) {
        state_ = State::partial;
        std::size_t taken = 0;
        if (stage_ == Stage::header) {
            taken = take_header(rest);
        } else if (stage_ == Stage::content) {
            taken = take_content(rest, body_limit);
        } else {
            taken = std::min(left_, rest.size());
            left_ -= taken;
            if (left_ == 0) end_record();
        }
        rest.remove_prefix(taken);
        bool between_records = stage_ == Stage::header && collected_.size == 0;
        if (state_ == State::partial && between_records && !is_active()) state_ = State::idle;
    }
    return data.size() - rest.size();
}

std::size_t RecordReader::Collected::add(std::string_view data) {
    const std::string_view wanted = data.substr(0, bytes.size() - size);
    std::ranges::copy(wanted, bytes.begin() + static_cast<std::ptrdiff_t>(size));
    size += wanted.size();
    return wanted.size();
}

std::string_view RecordReader::Collected::take() {
    size = 0;
    return {bytes.data(), bytes.size()};
}

std::size_t RecordReader::take_header(std::string_view data) {
    const std::size_t taken = collected_.add(data);
    if (!collected_.is_complete()) return taken;
    const std::string_view bytes = collected_.take();
    if (byte(bytes, 0) != version) {
        fail("not FastCGI version 1");
        return taken;
    }
    header_ = {byte(bytes, 1), two_bytes(bytes, 2), two_bytes(bytes, 4), byte(bytes, 6)};
    begin_record();
    return taken;
}

// What can be refused by the header alone is refused before its content is taken.
void RecordReader::begin_record() {
    stage_ = Stage::content;
    left_ = header_.content;
    if (header_.type == record::begin_request && !is_active()) {
        const bool fits = header_.content == collected_.bytes.size();
        if (header_.id == 0 || !fits) return fail("bad BEGIN_REQUEST");
    }
    if (is_ours()) {
        switch (header_.type) {
            case record::params:
                if (part_ != Part::params) return fail("PARAMS after their end");
                if (request_.params.size() + left_ > params_limit) return fail("too many PARAMS");
                break;
            case record::standard_input:
                if (part_ != Part::body) return fail("STDIN before the end of PARAMS");
                break;
            case record::begin_request:
            case record::data: return fail("unexpected record");
            default: break;  // an unknown type is skipped
        }
    }
    if (left_ == 0) end_record();
}

std::size_t RecordReader::take_content(std::string_view data, std::size_t body_limit) {
    std::string_view part = data.substr(0, left_);
    if (header_.type == record::begin_request && !is_active()) {
        collected_.add(part);
    } else if (is_ours() && header_.type == record::params) {
        request_.params.append(part);
    } else if (is_ours() && header_.type == record::standard_input && !request_.cut) {
        // Once cut it stays so: a limit that grows meanwhile would leave a hole.
        request_.body.append(
            part.substr(0, body_limit - std::min(body_limit, request_.body.size())));
        request_.cut = request_.body.size() >= body_limit;
    } else if (header_.id == 0 && header_.type == record::get_values) {
        asked_.append(part.substr(0, asked_limit - asked_.size()));
    }
    left_ -= part.size();
    if (left_ == 0) end_record();
    return part.size();
}

// Called when the content has been taken, and again when the padding has.
void RecordReader::end_record() {
    if (stage_ == Stage::content && header_.padding > 0) {
        stage_ = Stage::padding;
        left_ = header_.padding;
        return;
    }
    stage_ = Stage::header;
    if (header_.id == 0) return end_management();
    if (header_.type == record::begin_request) {
        return is_active() ? reply_end(header_.id, cannot_multiplex) : begin_request();
    }
    if (!is_ours()) return;
    if (header_.type == record::abort_request) {
        return refuse(request_complete, "aborted by the web server");
    }
    if (header_.content > 0) return;
    if (header_.type == record::params) {
        part_ = Part::body;
        if (!are_complete_params(request_.params)) fail("truncated PARAMS");
    } else if (header_.type == record::standard_input) {
        state_ = State::complete;
    }
}

void RecordReader::begin_request() {
    const std::string_view content = collected_.take();
    request_.id = header_.id;
    request_.keep = (byte(content, 2) & keep_connection) != 0;
    if (two_bytes(content, 0) != responder) {
        return refuse(unknown_role, "not the role of a responder");
    }
    part_ = Part::params;
}

void RecordReader::end_management() {
    if (header_.type == record::get_values) {
        return reply(record::get_values_result, 0,
                     values_for(std::exchange(asked_, {}), connections_));
    }
    reply(record::unknown_type, 0,
          std::string{static_cast<char>(header_.type), 0, 0, 0, 0, 0, 0, 0});
}

void RecordReader::reply(std::uint8_t type, std::uint16_t id, std::string_view content) {
    append_record(replies_, type, id, content);
    if (replies_.size() > replies_limit) fail("too many management records");
}

void RecordReader::reply_end(std::uint16_t id, std::uint8_t protocol_status) {
    const auto status = static_cast<char>(protocol_status);
    reply(record::end_request, id, std::string{0, 0, 0, 0, status, 0, 0, 0});
}

void RecordReader::refuse(std::uint8_t protocol_status, std::string_view problem) {
    state_ = State::refused;
    problem_ = problem;
    reply_end(request_.id, protocol_status);
}

void RecordReader::fail(std::string_view problem) {
    state_ = State::broken;
    problem_ = problem;
}

RawRequest RecordReader::take_request() {
    state_ = State::idle;
    part_ = Part::none;
    return std::exchange(request_, {});
}

std::string RecordReader::take_replies() {
    return std::exchange(replies_, {});
}

}  // namespace bx
