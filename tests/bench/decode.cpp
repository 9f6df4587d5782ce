// One decoding of one hostile body, measured: decode CLASS MEGABYTES ours|cgicc
// prints "bytes fields milliseconds peak_kilobytes refused".  `decode CLASS MEGABYTES body` prints
// the body itself, for other decoders; `decode` alone the names of the classes.
//
// `decode deal TIMES ours|cgicc|body`: a deal's event as Bitrix24 sends it, decoded that many times;
// prints the nanoseconds of one.
//
// The time is this process's CPU time.  The peak is the process's, body and all.
#include <cgicc/CgiInput.h>
#include <cgicc/Cgicc.h>

#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "form/form.h"

namespace {

constexpr std::size_t million = 1000000;

// A body in the making: SIZE bytes of at most a million fields.
class Body {
public:
    explicit Body(std::size_t size) : size_(size) { text_.reserve(size); }

    // Field after field from MAKE(number), up to the size or COUNT; each is padded so that all
    // together fill the size.
    void fields(const std::function<std::string(std::size_t)>& make, std::size_t count = million) {
        for (; fields_ < count; ++fields_) {
            const std::string field = make(fields_);
            const std::size_t share = (size_ - text_.size()) / (count - fields_);
            if (text_.size() + field.size() + 1 > size_) return;
            text_ += field;
            if (field.size() + 1 < share) text_.append(share - field.size() - 1, 'v');
            text_ += '&';
        }
    }

    // The same without padding.
    void short_fields(const std::function<std::string(std::size_t)>& make) {
        for (; fields_ < million; ++fields_) {
            const std::string field = make(fields_);
            if (text_.size() + field.size() + 1 > size_) return;
            text_ += field + '&';
        }
    }

    void fill(std::string_view start, std::string_view unit) {
        text_ = start;
        while (text_.size() + unit.size() <= size_) text_ += unit;
        ++fields_;
    }

    std::string& text() { return text_; }
    std::size_t count() const { return fields_; }

private:
    std::size_t size_;
    std::string text_;
    std::size_t fields_ = 0;
};

std::string number(std::size_t i) {
    return std::to_string(i);
}

std::string repeated(std::string_view text, int times) {
    std::string out;
    while (times-- > 0) out += text;
    return out;
}

struct Class {
    std::string_view name;
    std::function<void(Body&)> make;
};

const std::vector<Class>& classes() {
    static const std::vector<Class> all = {
        {"deals",
         [](Body& b) {
             b.fields([](std::size_t i) {
                 return "data%5BFIELDS%5D%5B" + number(i) + "%5D%5BSTAGE_ID%5D=NEW";
             });
         }},
        {"distinct names",
         [](Body& b) { b.fields([](std::size_t i) { return "k" + number(i) + "="; }); }},
        {"distinct, short",
         [](Body& b) { b.short_fields([](std::size_t i) { return "k" + number(i); }); }},
        {"one name", [](Body& b) { b.fields([](std::size_t) { return std::string("a="); }); }},
        {"numeric names",
         [](Body& b) { b.fields([](std::size_t i) { return "a[" + number(i) + "]="; }); }},
        {"numeric, colliding in PHP",
         [](Body& b) {
             b.fields([](std::size_t i) { return "a[" + number(i << 32) + "]="; }, million / 10);
         }},
        {"appends", [](Body& b) { b.fields([](std::size_t) { return std::string("a[]="); }); }},
        {"100,000 appends",
         [](Body& b) { b.fields([](std::size_t) { return std::string("a[]="); }, million / 10); }},
        {"appends of arrays",
         [](Body& b) { b.fields([](std::size_t) { return std::string("a[][k][]="); }); }},
        {"names of 64 KB",
         [](Body& b) {
             b.fields([](std::size_t i) { return std::string(65536, 'n') + number(i) + "="; });
         }},
        {"64 levels, one name",
         [](Body& b) { b.fields([](std::size_t) { return "a" + repeated("[b]", 64) + "="; }); }},
        {"64 levels, distinct first",
         [](Body& b) {
             b.fields([](std::size_t i) { return "a" + number(i) + repeated("[b]", 64) + "="; });
         }},
        {"64 levels, distinct last",
         [](Body& b) {
             b.fields(
                 [](std::size_t i) { return "a" + repeated("[b]", 63) + "[" + number(i) + "]="; });
         }},
        {"64 levels, distinct at any",
         [](Body& b) {
             b.fields([](std::size_t i) {
                 const int at = static_cast<int>(i * 7 % 62);
                 return "a" + repeated("[b]", at) + "[" + number(i) + "]" +
                        repeated("[b]", 63 - at) + "=";
             });
         }},
        {"64 levels of appends",
         [](Body& b) { b.fields([](std::size_t) { return "a" + repeated("[]", 64) + "="; }); }},
        {"30 levels, split in two",
         [](Body& b) {
             b.fields([](std::size_t i) {
                 return number(i / 2) + repeated("[b]", 8) + (i % 2 ? "[x]" : "[y]") +
                        repeated("[]", 8);
             });
         }},
        {"scalar and array in turn",
         [](Body& b) {
             b.fields([](std::size_t i) { return std::string(i % 2 ? "a=" : "a[b]="); });
         }},
        {"a million &", [](Body& b) { b.short_fields([](std::size_t) { return std::string(); }); }},
        {"& only", [](Body& b) { b.fill("", "&"); }},
        {"[ only", [](Body& b) { b.fill("", "["); }},
        {"a and [ only", [](Body& b) { b.fill("a", "["); }},
        {"% only", [](Body& b) { b.fill("", "%"); }},
        {"%41 only", [](Body& b) { b.fill("", "%41"); }},
        {"one huge value", [](Body& b) { b.fill("a=", "vvvvvvvvvvvvvvvv"); }},
        {"one huge value of %41", [](Body& b) { b.fill("a=", "%41"); }},
    };
    return all;
}

// An event of a deal, 647 bytes.
constexpr std::string_view deal =
    "event=ONCRMDEALUPDATE&event_handler_id=655&data%5BFIELDS%5D%5BID%5D=675&ts=1736424182"
    "&auth%5Baccess_token%5D=s6p6eclrvim6da22ft9ch94ekreb52lv&auth%5Bexpires%5D=1736427782"
    "&auth%5Bexpires_in%5D=3600&auth%5Bscope%5D=crm&auth%5Bdomain%5D=some-domain.bitrix24.com"
    "&auth%5Bserver_endpoint%5D=https%3A%2F%2Foauth.bitrix.info%2Frest%2F&auth%5Bstatus%5D=L"
    "&auth%5Bclient_endpoint%5D=https%3A%2F%2Fsome-domain.bitrix24.com%2Frest%2F"
    "&auth%5Bmember_id%5D=a223c6b3710f85df22e9377d6c4f7553&auth%5Buser_id%5D=17"
    "&auth%5Brefresh_token%5D=4s386p3q0tr8dy89xvmt96234v3dljg8"
    "&auth%5Bapplication_token%5D=51856fefc120afa4b628cc82d3935cce"
    "&data%5BFIELDS%5D%5BSTAGE_ID%5D=NEW";
static_assert(deal.size() == 647);

class CgiBody : public cgicc::CgiInput {
public:
    explicit CgiBody(std::string& body) : body_(body) {}

    std::size_t read(char* out, std::size_t length) override {
        std::memcpy(out, body_.data(), body_.size());
        return length;
    }

    std::string getenv(const char* name) override {
        const std::string_view variable = name;
        if (variable == "REQUEST_METHOD") return "POST";
        if (variable == "CONTENT_TYPE") return "application/x-www-form-urlencoded";
        if (variable == "CONTENT_LENGTH") return number(body_.size());
        return {};
    }

private:
    std::string& body_;
};

// Of this process since its exec; getrusage's would count the shell it was forked from.
long peak_kilobytes() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        if (word == "VmHWM:") {
            long kilobytes = 0;
            status >> kilobytes;
            return kilobytes;
        }
    }
    return 0;
}

// True when the body was refused.
bool decode(std::string&& body, std::string_view decoder) {
    if (decoder == "cgicc") {
        CgiBody input(body);
        const cgicc::Cgicc form(&input);
        return false;
    }
    try {
        bx::decode_urlencoded(std::move(body), bx::FormLimits{million, 64});
        return false;
    } catch (const bx::FormError&) {
        return true;
    }
}

double milliseconds_since(std::clock_t start) {
    return 1000.0 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

int run_deal(int times, std::string_view decoder) {
    if (decoder == "body") {
        std::cout << deal;
        return 0;
    }
    const std::clock_t start = std::clock();
    for (int i = 0; i < times; ++i) decode(std::string(deal), decoder);
    std::printf("%.0f\n", 1e6 * milliseconds_since(start) / times);
    return 0;
}

int run(std::string_view name, std::size_t size, std::string_view decoder) {
    for (const Class& c : classes()) {
        if (c.name != name) continue;
        Body body(size);
        c.make(body);
        const std::size_t bytes = body.text().size();
        if (decoder == "body") {
            std::cout.write(body.text().data(), static_cast<std::streamsize>(bytes));
            return 0;
        }
        const std::clock_t start = std::clock();
        const bool refused = decode(std::move(body.text()), decoder);
        std::printf("%zu %zu %.3f %ld %d\n", bytes, body.count(), milliseconds_since(start),
                    peak_kilobytes(), refused);
        return 0;
    }
    std::cerr << "decode: no class '" << name << "'\n";
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 1) {
        for (const Class& c : classes()) std::cout << c.name << '\n';
        return 0;
    }
    if (argc != 4) {
        std::cerr << "usage: decode [CLASS MEGABYTES | deal TIMES  ours|cgicc|body]\n";
        return 2;
    }
    if (argv[1] == std::string_view("deal")) return run_deal(std::stoi(argv[2]), argv[3]);
    return run(argv[1], static_cast<std::size_t>(std::stod(argv[2]) * (1 << 20)), argv[3]);
}
