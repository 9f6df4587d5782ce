// Takes FastCGI requests off a byte stream: the records (FastCGI 1.0, section 3) of one connection
// in, whole requests out.  Knows no sockets and never waits.
//
// Framing is done here, and not left to libfcgi, for three reasons: a request is handed on only
// when all of it has arrived, so that no peer can make the loop wait; not a byte beyond its end is
// taken, so that neither the rest of a refused body nor what was sent ahead is ever read as
// something it is not; and what reaches libfcgi has been measured.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bx {

// A request that is completely there.
struct RawRequest {
    std::uint16_t id = 0;  // the web server's, on this connection
    bool keep = false;     // the connection is to stay open after the answer
    std::string params;    // name-value pairs as they came (3.4), complete and within the limit
    std::string body;      // the STDIN stream, cut at the body limit
    bool cut = false;      // it reached that limit
};

class RecordReader {
public:
    enum class State {
        idle,      // between two requests
        partial,   // a request has begun
        complete,  // take_request() is due
        refused,   // take_request() is due, and END_REQUEST is among the replies: aborted by the
                   // web server, or for a role that is not ours; problem() says which
        broken,    // not FastCGI: problem() says why; nothing more is taken
    };

    // CONNECTIONS is what a web server is told that asks how many it may open.
    explicit RecordReader(std::size_t connections) : connections_(connections) {}

    // Takes bytes from DATA until a request is complete or refused, or the stream broken; gives how
    // many.  Of a body only BODY_LIMIT bytes are kept.
    std::size_t take(std::string_view data, std::size_t body_limit);

    State state() const { return state_; }
    std::string_view problem() const { return problem_; }
    // Bytes held for the request so far.
    std::size_t size() const { return request_.params.size() + request_.body.size(); }
    // Hands over the complete request, or what there is of a refused one; idle again.
    RawRequest take_request();
    // Records that are to be sent to the peer now: answers to management records, and to a second
    // request on this connection while the first is under way.  Often empty.
    std::string take_replies();

private:
    enum class Stage { header, content, padding };
    enum class Part { none, params, body };  // what is due of the request; none: BEGIN_REQUEST
    struct Header {
        std::uint8_t type = 0;
        std::uint16_t id = 0;
        std::uint16_t content = 0;  // bytes
        std::uint8_t padding = 0;
    };

    // A header, or the content of BEGIN_REQUEST, as far as it has come.
    struct Collected {
        std::array<char, 8> bytes{};
        std::size_t size = 0;

        std::size_t add(std::string_view data);  // gives how much of DATA was wanted
        bool is_complete() const { return size == bytes.size(); }
        std::string_view take();  // all bytes; valid until the next add()
    };

    std::size_t take_header(std::string_view data);
    std::size_t take_content(std::string_view data, std::size_t body_limit);
    void begin_record();   // its header is known
    void end_record();     // its content has been taken
    void begin_request();
    void end_management();
    void reply(std::uint8_t type, std::uint16_t id, std::string_view content);
    void reply_end(std::uint16_t id, std::uint8_t protocol_status);
    void refuse(std::uint8_t protocol_status, std::string_view problem);
    void fail(std::string_view problem);
    bool is_active() const { return part_ != Part::none; }
    bool is_ours() const { return is_active() && header_.id == request_.id; }

    std::size_t connections_;
    State state_ = State::idle;
    std::string_view problem_;
    Stage stage_ = Stage::header;
    Collected collected_;
    Header header_;
    std::size_t left_ = 0;  // of the content or padding
    Part part_ = Part::none;
    RawRequest request_;
    std::string asked_;  // the content of GET_VALUES, as far as it is looked at
    std::string replies_;
};

// A name-value pair (3.4); views of what it was taken from.
struct NameValue {
    std::string_view name;
    std::string_view value;
};
// Takes the first pair off PARAMS; false when there is none, or it is cut.
bool take_name_value(std::string_view& params, NameValue& pair);
// True when PARAMS are pairs that end where the last one ends.
bool are_complete_params(std::string_view params);

// A record: header, content, no padding.  CONTENT is below 64 KB.
void append_record(std::string& out, std::uint8_t type, std::uint16_t id, std::string_view content);

// Record types (FastCGI 1.0, section 8).
namespace record {
constexpr std::uint8_t begin_request = 1;
constexpr std::uint8_t abort_request = 2;
constexpr std::uint8_t end_request = 3;
constexpr std::uint8_t params = 4;
constexpr std::uint8_t standard_input = 5;
constexpr std::uint8_t standard_output = 6;
constexpr std::uint8_t data = 8;
constexpr std::uint8_t get_values = 9;
constexpr std::uint8_t get_values_result = 10;
constexpr std::uint8_t unknown_type = 11;
}  // namespace record

}  // namespace bx
