"""Talk of other matters that holds the words of the rules innocently, and trouble beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.nudges import NudgeRule, Nudges, shipped
from engine.risk import load_policy
from tests.unit.test_nudge_rules import planner

INNOCENT = {
    "ko": """
주말에 락 페스티벌 다녀왔어요
락앤락 도시락통 누구 거예요
락스 좀 사 오실 분
락카페 가 보셨어요?
오락가락하는 날씨네요
점심 도시락 주문 받습니다
느린 우체통에 편지 넣었어요
저는 좀 느리게 걷는 편이에요
느림의 미학이라는 책 추천합니다
눈이 많이 쌓였네요 조심히 출근하세요
눈 쌓여서 버스가 안 와요
피로가 쌓였어요 오늘은 일찍 갈게요
스트레스가 쌓여서 운동 가요
설거지가 쌓였어요
먼지가 쌓였네요 청소합시다
택배가 입구에 쌓였어요 찾아가세요
포인트가 쌓였대요 커피 살게요
로그인 화면 디자인 바뀌었네요
블로그에 후기 올렸어요
브이로그 찍어요
카탈로그 보내 드릴게요
프롤로그만 읽었어요
다이얼로그 창 문구 수정했습니다
로그라이크 게임 추천해 주세요
로그함수 문제 아시는 분
아날로그 감성이 좋아요
감기약 용량은 하루 세 번이래요
대용량 텀블러 공구하실 분
용량 큰 가습기 추천 좀
허리 디스크 때문에 병원 다녀올게요
목 디스크 진단받았어요
디스크 수술하고 복귀했습니다
레이저디스크 모으는 게 취미예요
디스코 팡팡 타러 가요
쿼리나 식당 예약했어요
쿼카 사진 귀엽네요
농구 타임아웃 때 응원했어요
작전 타임아웃 부르는 감독 웃겨요
디비디 빌려 드릴게요
연락처 락커에 붙여 놨어요
느끼한 거 말고 매운 거 먹어요
디즈니 플러스 보시는 분
락토프리 우유 있나요
어락실 말고 오락실 가요
해외 로그북 자격증 준비 중
캐리어 용량 초과로 추가 요금 냈어요
""",
    "zh-TW": """
今天公車好慢
捷運今天好慢喔
外送太慢了
我走路很慢等我一下
排隊的隊伍很慢
他講話很慢
慢慢來不用急
我吃飯太慢大家先走
電梯好慢
午餐叫太慢了
速度變慢沒關係 安全第一
時間過得好慢
會議好慢才結束
打字很慢請見諒
網購出貨好慢
我跑步變慢了
老人家動作比較慢
這本書的日誌體很好看
工作日誌記得今天交
我每天寫日誌
航海日誌這部電影好看
教學日誌放在桌上
這個水壺容量多大
保溫瓶容量 500 毫升
背包容量不夠大
冰箱塞滿了飲料
會議室塞滿了人
車上塞滿了行李
行程塞滿了
餐廳爆滿訂不到位
演唱會爆滿
停車場爆滿
高鐵爆滿
停車場空間不足請改搭捷運
辦公室空間不夠坐
會議室空間不足
鎖表演的門
逾時未取餐會取消
停車逾時要罰款
請假申請逾時了嗎
還書逾時要罰錢
借書逾時
硬碟播放器送人
資料庫這個詞怎麼唸
""",
    "en": """
The new database course starts on Monday
I'm a database admin by training
Let's meet at the deadlock bar
Negotiations are in a deadlock
The jury is deadlocked
Slow queries from the press again today
My back: slipped disk, off to the doctor
I have a disk of holiday photos
No space left in the car for the bags
There is no space left at the table
We are out of space in the fridge
The meeting room is out of space
The parking lot is full
This bus is so slow
Slow down, no rush
I'm slow today, need coffee
He took a timeout from social media
Basketball timeout was funny
Who locked the bike shed?
Lock the door please
Log your hours before Friday
The fireplace needs another log
Log in and see the photos
The blog post is up
I logged 10 km this morning
Catalog arrived
Captain's log, day 3
Capacity of this mug is half a liter
The venue is at full capacity
Query letter to the publisher
Any query about lunch, ask me
I have a query about my payslip
Rock the DB night! DJ Bob at nine
My DB train is late again
db is also short for decibel: 80 db in here
Dropbox link is in the mail
disk jockey wanted for the party
disk golf this weekend?
The dog is full after dinner
space is limited at the workshop
Dead lock on the toilet door
""",
}

#: Trouble that stands near such words.
TROUBLE = {
    "of course the database is slow": "db_delay",
    "the progress bar hangs, slow query again": "db_delay",
    "press F5: no space left on device": "disk_full",
    "請假系統的資料庫很慢": "db_delay",
    "停車場系統一直逾時": "db_delay",
    "出貨系統變慢了": "db_delay",
    "行程太多，磁碟快滿了": "disk_full",
    "the disk is almost full on loan-was-01": "disk_full",
    "會議室預約系統的日誌塞滿磁碟": "disk_full",
    "금융감독원 보고 쿼리가 느려요": "db_delay",
    "택배 조회 화면이 느려요": "db_delay",
    "병원 서버 디스크가 꽉 찼어요": "disk_full",
    "포인트 서버 로그가 너무 많이 쌓였어요": "disk_full",
    "로그인 서버 로그 용량이 부족해요": "disk_full",
    "농구 보다가 왔는데 디스크 용량이 부족하대요": "disk_full",
}


@pytest.fixture
def nudges(tmp_path: Path) -> Nudges:
    return Nudges(shipped(), planner(tmp_path, load_policy(None)))


@pytest.mark.parametrize("language", INNOCENT)
def test_talk_of_other_matters_is_left_alone(nudges: Nudges, language: str) -> None:
    said = INNOCENT[language].split("\n")
    assert len(said) > 40
    assert [line for line in said if nudges.find(line)] == []


@pytest.mark.parametrize(("said", "rule"), TROUBLE.items())
def test_trouble_beside_such_words_is_heard(nudges: Nudges, said: str, rule: str) -> None:
    found = nudges.find(said)
    assert found is not None and found.name == rule


def test_a_teams_own_rule_is_silenced_by_its_own_words(tmp_path: Path) -> None:
    rule = NudgeRule("memory_low", ("메모리",), "memory_status", not_with=("사진",))
    heard = Nudges([rule], planner(tmp_path, load_policy(None)))
    assert heard.find("메모리 부족") is rule
    assert heard.find("메모리에 든 사진") is None
