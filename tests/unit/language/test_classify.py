"""The suggestion for a request, by the words of its title and body."""

from __future__ import annotations

import time

import pytest

from engine.language.classify import PRIORITIES, TYPES, classify


@pytest.mark.parametrize(
    ("title", "body", "kind", "priority"),
    [
        ("예산시스템 WAS 재기동 부탁드립니다", "", "RESTART", "MEDIUM"),
        ("긴급) 결제 서버 재시작", "접속 불가입니다", "RESTART", "CRITICAL"),
        ("mail-3.1.war 배포 요청", "오늘까지 부탁드립니다", "DEPLOY", "HIGH"),
        ("로그 수집 부탁", "천천히 하셔도 됩니다", "LOG", "LOW"),
        ("로그인 화면 색상", "", "OTHER", "MEDIUM"),
        ("배포 신청은 어디서 하나요?", "", "INQUIRY", "MEDIUM"),
        ("인덱스 추가", "급하지 않습니다", "OTHER", "LOW"),
        ("Please restart momo-db", "production is down", "RESTART", "CRITICAL"),
        ("Deploy shop-2.0.war", "no rush, not urgent", "DEPLOY", "LOW"),
        ("Need the logs of budget-was-01", "errors since noon", "LOG", "HIGH"),
        ("How do I ask for a deploy?", "", "INQUIRY", "MEDIUM"),
        ("New catalog of blogs", "", "OTHER", "MEDIUM"),
        ("shipping address of the office", "", "OTHER", "MEDIUM"),
        ("購物網請重啟", "目前無法連線", "RESTART", "CRITICAL"),
        ("部署 shop-2.0.war", "請盡快", "DEPLOY", "HIGH"),
        ("請提供日誌", "不急，有空再處理", "LOG", "LOW"),
        ("請問如何申請權限", "", "INQUIRY", "MEDIUM"),
        ("午餐訂購", "", "OTHER", "MEDIUM"),
        ("", "", "OTHER", "MEDIUM"),
        ("\x00\ud800", "x" * 100_000, "OTHER", "MEDIUM"),
    ],
)
def test_type_and_priority(title: str, body: str, kind: str, priority: str) -> None:
    found = classify(title, body)
    assert (found.type, found.priority) == (kind, priority)
    assert found.type in TYPES
    assert found.priority in PRIORITIES


def test_it_says_why() -> None:
    assert classify("긴급 배포").why == ("배포", "긴급")
    assert classify("hello").why == ()


def test_fifty_thousand_a_second_on_a_core() -> None:
    requests = [
        ("예산시스템 WAS 재기동 부탁드립니다", "기재부 예산시스템 응답이 없습니다. 긴급합니다."),
        ("How do I ask for a deploy?", "I need to know the procedure to ask for a deploy."),
        ("購物網資料庫狀態", "目前無法連線，請盡快處理"),
        ("mail web slow", "the web mail takes 20 s to open since this morning, please look"),
    ] * 2500
    classify("warm", "up")
    began = time.process_time()
    for title, body in requests:
        classify(title, body)
    assert len(requests) / (time.process_time() - began) > 50_000
