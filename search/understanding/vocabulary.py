"""The words that rules know, in English, Japanese, Korean and Chinese: the one table for all of them.

A line is a name as catalogues write it, and the phrases that mean it, separated by commas. English phrases are folded
(lower case, no signs) and found as whole words, in the plural too; the others are found anywhere.
"""

from __future__ import annotations

GENRES: dict[str, str] = {
    "action": "action, アクション, 액션, 动作, 動作",
    "adventure": "adventure, 冒険, アドベンチャー, 모험, 冒险, 冒險",
    "avant garde": "avant garde, experimental, 前衛, 실험적, 实验动画",
    "boys love": "boys love, bl, yaoi, shounen ai, shonen ai, ボーイズラブ, やおい, 耽美, 비엘",
    "comedy": "comedy, comedic, funny, hilarious, コメディ, ギャグ, 코미디, 개그, 搞笑, 喜剧, 喜劇",
    "drama": "drama, dramatic, ドラマ, 드라마, 剧情, 劇情",
    "ecchi": "ecchi, エッチ, 에치, 卖肉",
    "fantasy": "fantasy, ファンタジー, 판타지, 奇幻, 幻想",
    "girls love": "girls love, gl, yuri, shoujo ai, shojo ai, 百合, 백합",
    "gourmet": "gourmet, cooking, グルメ, 料理, 요리, 美食",
    "horror": "horror, scary, ホラー, 호러, 공포, 恐怖",
    "mahou shoujo": "mahou shoujo, mahou shojo, magical girl, 魔法少女, 마법소녀, 마법 소녀",
    "mecha": "mecha, giant robot, メカ, ロボットアニメ, 巨大ロボット, 메카, 로봇, 机战, 機戰, 机甲, 機甲",
    "music": "music anime, musical, 音楽, 음악, 音乐",
    "mystery": "mystery, mysteries, whodunit, ミステリー, 推理, 미스터리, 추리, 悬疑, 懸疑",
    "psychological": "psychological, サイコロジカル, 심리, 心理",
    "romance": "romance, romantic, love story, love stories, 恋愛, ラブコメ, ロマンス, 로맨스, 연애, 恋爱, 戀愛, 爱情",
    "sci-fi": "sci fi, scifi, science fiction, SF, 사이파이, 科幻",
    "slice of life": "slice of life, 日常系, 日常, 일상, 일상물",
    "sports": "sport, スポーツ, スポ根, 스포츠, 运动, 運動, 体育",
    "supernatural": "supernatural, paranormal, 超自然, 超常, 초자연",
    "suspense": "suspense, suspenseful, サスペンス, 서스펜스",
    "thriller": "thriller, スリラー, 스릴러, 惊悚, 驚悚",
}

THEMES: dict[str, str] = {
    "aliens": "alien, 宇宙人, 외계인, 外星人",
    "artificial intelligence": "artificial intelligence, 人工知能, 인공지능, 人工智能",
    "coming of age": "coming of age",
    "cute girls doing cute things": "cute girls doing cute things, cgdct, moe, 萌え, 萌系",
    "cyberpunk": "cyberpunk, サイバーパンク, 사이버펑크, 赛博朋克, 賽博龐克",
    "dark fantasy": "dark fantasy, ダークファンタジー, 다크 판타지, 다크판타지, 黑暗奇幻",
    "delinquents": "delinquent, ヤンキー, 不良, 불량",
    "demons": "demon, 悪魔, 악마, 恶魔, 惡魔",
    "detective": "detective, 探偵, 탐정, 侦探, 偵探",
    "dragons": "dragon, ドラゴン, 드래곤",
    "dystopian": "dystopian, dystopia, ディストピア, 디스토피아, 反乌托邦",
    "gangs": "gang, yakuza, ヤクザ, 야쿠자, 黑帮",
    "ghost": "ghost, 幽霊, 유령, 幽灵",
    "gore": "gore, gory, グロ, 고어, 血腥",
    "harem": "harem, ハーレム, 하렘, 后宫, 後宮",
    "heart-warming": "heart warming, heartwarming, wholesome, ほのぼの, 治愈, 治癒",
    "historical": "historical, 歴史, 時代劇, 역사, 历史, 歷史",
    "idols": "idol, アイドル, 아이돌, 偶像",
    "isekai": "isekai, another world, 異世界, 이세계, 异世界, 穿越",
    "iyashikei": "iyashikei, healing, 癒し系, 힐링, 治愈系",
    "kaiju": "kaiju, 怪獣, 괴수, 怪兽",
    "love triangle": "love triangle, 三角関係, 삼각관계, 三角恋",
    "magic": "magic, magical, 魔法, 마법",
    "martial arts": "martial arts, kung fu, 格闘, 무술, 武术, 武侠",
    "military": "military, 軍隊, ミリタリー, 밀리터리, 군대, 军事, 軍事",
    "mythology": "mythology, mythological, 神話, 신화, 神话",
    "ninja": "ninja, 忍者, 닌자",
    "otaku culture": "otaku, オタク, 오타쿠, 宅文化",
    "parody": "parody, parodies, パロディ, 패러디, 恶搞",
    "pirates": "pirate, 海賊, 해적, 海盗",
    "police": "police, 警察, 경찰",
    "politics": "politics, political, 政治, 정치",
    "post-apocalyptic": "post apocalyptic, post apocalypse, apocalyptic, ポストアポカリプス, 아포칼립스, 末世, 末日",
    "racing": "racing, レース, 레이싱, 赛车",
    "reincarnation": "reincarnation, reincarnated, 転生, 환생, 전생, 转生, 轉生",
    "revenge": "revenge, vengeance, 復讐, 복수, 复仇",
    "robots": "robot, ロボット, 机器人",
    "samurai": "samurai, 侍, サムライ, 사무라이, 武士",
    "school": "school, high school, highschool, 学園, 学校, 高校, 학원물, 학교, 校园, 校園",
    "space": "space, outer space, space opera, 宇宙, 우주, 太空",
    "steampunk": "steampunk, スチームパンク, 스팀펑크, 蒸汽朋克",
    "super power": "superpower, super power, 超能力, 초능력, 异能",
    "superhero": "superhero, ヒーロー, 슈퍼히어로, 超级英雄",
    "survival": "survival, death game, サバイバル, デスゲーム, 서바이벌, 데스게임, 生存",
    "swordplay": "swordplay, sword fighting, 剣, 검술, 剑",
    "time travel": "time travel, time loop, タイムトラベル, タイムリープ, 시간여행, 시간 여행, 时间旅行, 時間旅行",
    "tragedy": "tragedy, tragic, 悲劇, 비극, 悲剧",
    "vampire": "vampire, 吸血鬼, ヴァンパイア, 뱀파이어, 흡혈귀",
    "video games": "video game, virtual reality, ゲーム世界, 게임 판타지, 游戏世界",
    "war": "war, warfare, 戦争, 전쟁, 战争, 戰爭",
    "witch": "witch, witches, 魔女, 마녀, 女巫",
    "workplace": "workplace, office, 職場, 직장, 职场",
    "youkai": "youkai, yokai, 妖怪, 요괴",
    "zombie": "zombie, ゾンビ, 좀비, 丧尸, 僵尸",
}

# What catalogues call the same thing, beside its name.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "boys love": ("boys' love", "yaoi", "shounen ai"),
    "demons": ("demon",),
    "cute girls doing cute things": ("cgdct",),
    "dragons": ("dragon",),
    "girls love": ("yuri", "shoujo ai"),
    "gourmet": ("cooking", "food", "food and beverage"),
    "idols": ("idol", "idols (female)", "idols (male)"),
    "isekai": ("person in a strange world",),
    "mahou shoujo": ("magical girl",),
    "post-apocalyptic": ("post apocalypse",),
    "robots": ("robot",),
    "sci-fi": ("sci fi", "science fiction", "science-fiction"),
    "school": ("school life", "high school"),
    "space": ("outer space",),
    "super power": ("superpowers", "super power"),
    "superhero": ("superheroes",),
    "thriller": ("suspense",),
    "aliens": ("alien",),
}

DEMOGRAPHICS: dict[str, str] = {
    "shounen": "shounen, shonen, 少年, 소년, 少年向",
    "shoujo": "shoujo, shojo, 少女漫画, 少女向け, 소녀, 순정, 少女向",
    "seinen": "seinen, 青年, 세이넨, 청년, 青年向",
    "josei": "josei, 女性向け, 여성향, 女性向",
    "kids": "kid, child, children, toddler, 子供向け, キッズ, 아동, 어린이, 儿童, 兒童",
}

TYPES: dict[str, str] = {
    "MOVIE": "movie, film, feature film, 映画, 劇場版, 영화, 극장판, 电影, 電影, 剧场版",
    "OVA": "ova, oad, OVA",
    "ONA": "ona",
    "TV": "tv series, tv show, tv anime, テレビアニメ, TVアニメ, TV애니",
    "SPECIAL": "tv special",
    "MUSIC": "music video, ミュージックビデオ, 뮤직비디오",
}

STATUSES: dict[str, str] = {
    "ONGOING": "airing, currently airing, still airing, ongoing, 放送中, 방영중, 방영 중, 连载中, 連載中",
    "FINISHED": "finished, finished airing, completed, 完結, 완결, 完结",
    "UPCOMING": "upcoming, not yet aired, unreleased, 放送予定, 방영 예정, 即将播出",
}

SEASONS: dict[str, str] = {
    "WINTER": "winter, 冬, 겨울",
    "SPRING": "spring, 春, 봄",
    "SUMMER": "summer, 夏, 여름",
    "FALL": "fall, autumn, 秋, 가을",
}

SOURCES: dict[str, str] = {
    "manga": "manga",
    "light novel": "light novel, ln",
    "visual novel": "visual novel, vn",
    "novel": "novel, book",
    "game": "game, video game",
    "web novel": "web novel",
    "original": "original anime, anime original",
}

# What people call studios beside their names: the form that `studio_key` gives the name.
STUDIO_ALIASES: dict[str, str] = {
    "kyoani": "kyotoanimation",
    "京アニ": "kyotoanimation",
    "京都アニメーション": "kyotoanimation",
    "京都动画": "kyotoanimation",
    "京都動畫": "kyotoanimation",
    "京阿尼": "kyotoanimation",
    "교토 애니메이션": "kyotoanimation",
    "쿄애니": "kyotoanimation",
    "ジブリ": "ghibli",
    "吉卜力": "ghibli",
    "지브리": "ghibli",
    "サンライズ": "sunrise",
    "マッドハウス": "madhouse",
    "東映アニメーション": "toeianimation",
    "东映动画": "toeianimation",
    "ユーフォーテーブル": "ufotable",
    "飞碟社": "ufotable",
    "骨头社": "bones",
    "扳机社": "trigger",
    "toei": "toeianimation",
    "tms": "tmsentertainment",
    "a1": "a1pictures",
    "ig": "productionig",
    "pa works": "paworks",
    "comix wave": "comixwavefilms",
    "tezuka": "tezukaproductions",
    "tatsunoko": "tatsunokoproduction",
    "saru": "sciencesaru",
}

# Studios whose names are nothing but names: these count without `by` or `studio`.
SURE_STUDIOS = frozenset({
    "ghibli", "kyotoanimation", "mappa", "ufotable", "toeianimation", "gainax", "cloverworks", "jcstaff", "a1pictures",
    "paworks", "productionig", "comixwavefilms", "sciencesaru", "lidenfilms", "tmsentertainment", "tatsunokoproduction",
})  # fmt: skip
# Studios whose names are words: `from` is no proof for these, nor `by` where it is a word of description.
WORDY_STUDIOS = frozenset({
    "actas", "arms", "bones", "creators", "dwarf", "feel", "fanworks", "gallop", "hero", "lerche", "manga", "nice",
    "point", "seven", "shaft", "signal", "space", "the", "wolf", "zero", "artland", "oh", "do", "c", "me", "home",
})  # fmt: skip

# Nouns that a search is for: what stands right before one describes what is wanted.
HEADS = (
    "anime", "animes", "animation", "series", "show", "shows", "movie", "movies", "film", "films", "ova", "ovas", "ona",
    "onas", "title", "titles", "cartoon", "cartoons", "manga",
)  # fmt: skip
# Words without weight of their own: a text of only these and known phrases describes nothing further.
FILLERS = frozenset(
    """
    a an the and or but of in on by with without some any good great best nice cool popular new old please recommend me
    recommendation recommendations suggest suggestions looking for i want need something to watch similar like not no is
    are that which about from my top really very more most anime animes series show shows movie movies film films
    アニメ の が を は で な 作品 애니 애니메이션 动画 動畫 动漫 動漫 的
    """.split()  # noqa: SIM905 - words read better in lines of text
)
