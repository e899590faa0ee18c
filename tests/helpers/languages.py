"""A few sentences in several scripts."""

CHINESE = ["这部电影非常好看，演员演技很棒", "无聊透顶，浪费时间", "价格太贵，质量很差", "物流很快，下次还来"]
TAIWAN = ["這部電影非常好看，演員演技很棒", "無聊透頂，浪費時間", "價格太貴，品質很差", "物流很快，下次還來"]
JAPANESE = [
    "この映画はとても良かったです。俳優の演技が素晴らしく、音楽も美しい。",
    "つまらない映画でした。時間の無駄だと思います。",
    "脚本が弱くて退屈だった",
    "友達と一緒に見て笑いました！最高",
    "値段が高いのに質が悪い。",
    "二度と買いません。返品したいです。",
    "配送が早くて助かりました",
    "子供が喜んでいます。ありがとうございました。",
]
KOREAN = ["이 영화는 정말 재미있었습니다.", "지루하고 시간 낭비였어요.", "배송이 빨라서 좋았습니다"]
GERMAN = [
    "Das Gerät läuft schön leise, größer als gedacht",
    "Für die Füße zu eng, müsste größer sein",
    "Ärgerlich, völlig überteuert",
]
EURO = ["the café’s “best” coffee – only 3 € … naïve", "it’s a cliché, she said – “no”"]
