//! Odd answers and their verdicts: an answer is judged by its status and by nothing else.

use futures_util::future::join_all;

use super::*;

/// A head with this status and many small fields.
fn fields(status: &str, count: usize) -> StubAnswer {
    let fields: String = (0..count).map(|n| format!("x-field-{n}: {n}\r\n")).collect();
    StubAnswer::Write(format!("HTTP/1.1 {status}\r\n{fields}content-length: 0\r\n\r\n").leak())
}

/// A head with this status and a field of so many bytes.
fn long(status: &str, bytes: usize) -> StubAnswer {
    StubAnswer::Write(format!("HTTP/1.1 {status}\r\nx: {}\r\n\r\n", "a".repeat(bytes)).leak())
}

async fn verdict(answer: StubAnswer) -> String {
    let server = TestServer::start(answer).await;
    match post(&server.url()).await {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    }
}

async fn judge(table: impl IntoIterator<Item = (StubAnswer, &str)>) {
    let judged = table.into_iter().map(async |(answer, expected)| (verdict(answer).await, expected, answer));
    for (verdict, expected, answer) in join_all(judged).await {
        let shown: String = format!("{answer:?}").chars().take(200).collect();
        assert_eq!(verdict, expected, "{shown}");
    }
}

#[tokio::test]
async fn an_odd_answer_with_2xx_acknowledges() {
    let close = |text| StubAnswer::WriteAndClose(text);
    let write = |text| StubAnswer::Write(text);
    let table = [
        // Statuses and first lines.
        write("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"),
        write("HTTP/1.1 204 No Content\r\n\r\n"),
        write("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello"),
        write("HTTP/1.1 205 Reset Content\r\n\r\n"),
        write("HTTP/1.1 206 Partial\r\ncontent-length: 0\r\n\r\n"),
        write("HTTP/1.1 299 Odd\r\ncontent-length: 0\r\n\r\n"),
        write("HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n"),
        write("HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n"),
        write("HTTP/1.1 200 d'accord, reçu\r\ncontent-length: 0\r\n\r\n"),
        write("\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        close("HTTP/1.0 200 OK\r\n\r\n"),
        close("HTTP/1.1 200 OK\n\n"),
        // 1xx first.
        write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        write("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
        write(
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ),
        // Where the body ends is told badly, or not at all.
        write("HTTP/1.1 200 OK\r\n\r\n"),
        close("HTTP/1.1 200 OK\r\n\r\n"),
        close("HTTP/1.1 200 OK\r\n\r\nsome text"),
        close("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nshort"),
        write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nlonger"),
        write("HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n"),
        write("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"),
        write("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
        write("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        write("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        close("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nnot gzip"),
        write(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x\r\n\r\n2\r\nok\r\n0\r\nx: y\r\n\r\n",
        ),
        write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n"),
        close("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nok\r\n"),
        close("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
        write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"),
        write("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nplain"),
        // Fields that are none, or too many, or too long.
        write("HTTP/1.1 200 OK\r\nx: one\r\n  two\r\ncontent-length: 0\r\n\r\n"),
        write("HTTP/1.1 200 OK\r\nx : y\r\ncontent-length: 0\r\n\r\n"),
        write("HTTP/1.1 200 OK\r\nno colon here\r\ncontent-length: 0\r\n\r\n"),
        write("HTTP/1.1 200 OK\r\nx y z: é\r\ncontent-length: 0\r\n\r\n"),
        write("HTTP/1.1 200 OK\r\n: nameless\r\ncontent-length: 0\r\n\r\n"),
        write(
            "HTTP/1.1 200 OK\r\nconnection: close, upgrade\r\nupgrade: h2c\r\nlocation: /elsewhere\r\n\r\n",
        ),
        fields("200 OK", 150),
        fields("200 OK", 1_000),
        long("200 OK", 20_000),
        long("200 OK", 60_000),
        long("200 OK", 1_000_000),
        StubAnswer::Drip("HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 2\r\n\r\nok"),
    ];
    assert!(table.len() >= 40, "{}", table.len());
    judge(table.map(|answer| (answer, "ok"))).await;
}

#[tokio::test]
async fn an_odd_answer_without_2xx_is_told_by_its_status() {
    judge([
        (
            StubAnswer::Write("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
            "status 101",
        ),
        (StubAnswer::Write("HTTP/1.1 300 Many\r\n\r\n"), "status 300"),
        (StubAnswer::Write("HTTP/1.1 302 Found\r\nlocation: https://example.com/\r\n\r\n"), "status 302"),
        (StubAnswer::Write("HTTP/1.1 304 Not Modified\r\n\r\n"), "status 304"),
        (
            StubAnswer::Write("HTTP/1.1 401 Who\r\nwww-authenticate: Basic\r\ncontent-length: 0\r\n\r\n"),
            "status 401",
        ),
        (StubAnswer::Write("HTTP/1.1 408 Slow\r\nconnection: close\r\n\r\n"), "status 408"),
        (StubAnswer::Write("HTTP/1.1 413 Large\r\n\r\n"), "status 413"),
        (StubAnswer::Write("HTTP/1.1 425 Early\r\n\r\n"), "status 425"),
        (
            StubAnswer::Write("HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"),
            "status 500",
        ),
        (
            StubAnswer::Write("HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"),
            "status 503",
        ),
        (StubAnswer::WriteAndClose("HTTP/1.0 502 Bad\r\n\r\n<html>"), "status 502"),
        (StubAnswer::Write("HTTP/1.1 599 Odd\r\n\r\n"), "status 599"),
        (StubAnswer::Write("HTTP/1.1 600 Odd\r\n\r\n"), "status 600"),
        (StubAnswer::Write("HTTP/1.1 999 Odd\r\n\r\n"), "status 999"),
        (StubAnswer::Write("HTTP/1.1 500 No\r\ncontent-length: many\r\n\r\n"), "status 500"),
        (fields("429 Slow", 1_000), "status 429"),
        (long("503 No", 1_000_000), "status 503"),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_answer_has_its_class() {
    judge([
        (StubAnswer::WriteAndClose(""), "closed"),
        (StubAnswer::WriteAndClose("HTTP/1.1 20"), "closed"),
        (StubAnswer::WriteAndClose("HTTP/1.1 200 OK\r\n"), "closed"),
        (StubAnswer::WriteAndClose("HTTP/1.1 200 OK\r\ncontent-le"), "closed"),
        (StubAnswer::WriteAndClose("HTTP/1.1 100 Continue\r\n\r\n"), "closed"),
        (StubAnswer::Stall("HTTP/1.1 100 Continue\r\n\r\n"), "timeout"),
        (StubAnswer::Stall("HTTP/1.1 200 OK\r\n"), "timeout"),
        (StubAnswer::Stall(""), "timeout"),
        (StubAnswer::Write("HTTP/1.1 099 Odd\r\n\r\n"), "invalid response"),
        (StubAnswer::Write("HTTP/1.1 20 OK\r\n\r\n"), "invalid response"),
        (StubAnswer::Write("HTTP/1.1 OK\r\n\r\n"), "invalid response"),
        (StubAnswer::Write("HTTP/2.0 200 OK\r\n\r\n"), "invalid response"),
        (StubAnswer::Write("ICY 200 OK\r\n\r\n"), "invalid response"),
        (StubAnswer::Write("220 mail.example.com ESMTP\r\n"), "invalid response"),
        (StubAnswer::Write("<html>200 OK</html>\r\n\r\n"), "invalid response"),
    ])
    .await;
}
