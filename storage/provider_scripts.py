"""What Redis does in one step for `storage.provider_gate`. All state of a provider is one hash; the clock is Redis's.

Fields of the hash, times in seconds since 1970 by the clock of Redis:

tokens:ID, at:ID        level of a bucket, and when it stood so; ID is the limit's period
limits                  the limits by which was asked last: ID, amount, period and burst of each
learned:ID, until:ID    a smaller amount that the provider told us of, and until when we believe it
factor, factor_until    the share of all rates that refusals have left, and until when
penalty_at              when the factor was last made smaller
pause, pause_why        nobody asks before
failures, opened        failures in a row; how often the circuit has opened since it was closed
open, open_why, probe   the circuit is open until; until when the one request that tries is waited for
"""

from __future__ import annotations

from typing import Final

# A hash that nobody has touched for so long is of a provider that is not asked any more.
_LIFE_S: Final = 30 * 86_400

_COMMON: Final = f"""
local key = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000

local function get(name)
  return tonumber(redis.call('HGET', key, name) or '0')
end

local function set(name, value)
  if type(value) == 'number' then value = string.format('%.6f', value) end
  redis.call('HSET', key, name, value)
  redis.call('EXPIRE', key, {_LIFE_S})
end

-- At most `amount` in any period: what the bucket holds may come at once, the rest follows evenly. The margin is for
-- requests that travel at different speeds.
local function shape(amount, period, burst, margin)
  local held = math.max(1, math.min(burst, math.floor(amount / 2)))
  return held, margin * math.max(amount - held + 1, math.min(amount, 1)) / period
end

local function read_bucket(id, amount, period, burst, margin)
  if get('until:' .. id) > now then amount = math.min(amount, get('learned:' .. id)) end
  local held, rate = shape(amount, period, burst, margin)
  if get('factor_until') > now then rate = rate * get('factor') end
  local level = redis.call('HGET', key, 'tokens:' .. id)
  if level then
    -- A clock that was put back fills nothing.
    level = tonumber(level) + math.max(0, now - get('at:' .. id)) * rate
  else
    -- What was asked before Redis lost its memory is not known: as if one had been asked just now. Rates by the day
    -- would stand still for a minute then, which helps nobody.
    level = 1 - math.min(1, 5 * rate)
  end
  return math.min(held, level), rate, amount
end
"""

# ARGV: margin, seconds that a probe is waited for, and for each limit: id, amount, period, burst.
# Answers {what, seconds, why, is_probe}: 'go', or 'limit', 'paused', 'circuit' and when to come back.
TAKE: Final = (
    _COMMON
    + """
local margin, probe_s = tonumber(ARGV[1]), tonumber(ARGV[2])
local buckets, wait = {}, 0
for i = 3, #ARGV, 4 do
  local level, rate = read_bucket(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), margin)
  buckets[#buckets + 1] = {ARGV[i], level}
  if level < 1 then wait = math.max(wait, (1 - level) / rate) end
end
local answer
local is_probe = false
local pause, open = get('pause'), get('open')
if pause > now then
  answer = {'paused', tostring(pause - now), redis.call('HGET', key, 'pause_why') or '', 0}
elseif open > now then
  answer = {'circuit', tostring(open - now), redis.call('HGET', key, 'open_why') or '', 0}
elseif open > 0 and get('probe') > now then
  answer = {'circuit', tostring(math.min(get('probe') - now, 5)), redis.call('HGET', key, 'open_why') or '', 0}
elseif wait > 0 then
  answer = {'limit', tostring(wait), '', 0}
else
  is_probe = open > 0
  answer = {'go', '0', '', is_probe and 1 or 0}
end
-- Written in every case, or a bucket that is not known would never fill.
for _, bucket in ipairs(buckets) do
  local level = bucket[2]
  if answer[1] == 'go' then level = level - 1 end
  set('tokens:' .. bucket[1], level)
  set('at:' .. bucket[1], now)
end
if is_probe then set('probe', now + probe_s) end
set('limits', table.concat(ARGV, ' ', 3))
return answer
"""
)

# ARGV: margin, requests, and for each limit: id, amount, period, burst. Levels may fall below zero.
CHARGE: Final = (
    _COMMON
    + """
local margin, requests = tonumber(ARGV[1]), tonumber(ARGV[2])
for i = 3, #ARGV, 4 do
  local level = read_bucket(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), margin)
  set('tokens:' .. ARGV[i], level - requests)
  set('at:' .. ARGV[i], now)
end
return 0
"""
)

# ARGV: verdict (ok, failed, limited, neutral), is_probe, why, pause in seconds, threshold, first and longest time that
# the circuit is open, seconds that something learned is believed, seconds between two penalties, least factor, and the
# id, declared amount and told amount of the limit that the answer's headers spoke of (told: 0 if they said nothing).
# Answers {seconds that the circuit opens for, seconds paused, factor if it changed, amount if it changed}, 0 for no.
SETTLE: Final = (
    _COMMON
    + """
local verdict, is_probe, why, pause_s = ARGV[1], ARGV[2] == '1', ARGV[3], tonumber(ARGV[4])
local threshold, open_s, most_open_s = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local learned_s, between_s, least_factor = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local id, declared, told = ARGV[11], tonumber(ARGV[12]), tonumber(ARGV[13])
local opened_for, paused_for, new_factor, new_amount = 0, 0, 0, 0
local open = get('open')

if verdict == 'ok' or verdict == 'limited' then
  -- An answer to a request from before the circuit opened does not close it.
  if is_probe or open == 0 then redis.call('HDEL', key, 'failures', 'opened', 'open', 'open_why', 'probe') end
elseif verdict == 'failed' then
  local failures = get('failures') + 1
  set('failures', failures)
  if is_probe or (open == 0 and failures >= threshold) then
    local opened = get('opened') + 1
    opened_for = math.min(open_s * 2 ^ math.min(opened - 1, 30), most_open_s)
    set('opened', opened)
    set('open', now + opened_for)
    set('open_why', why)
    redis.call('HDEL', key, 'probe')
  end
elseif is_probe then
  redis.call('HDEL', key, 'probe')
end

if verdict == 'limited' and now - get('penalty_at') >= between_s then
  local factor = 1
  if get('factor_until') > now then factor = get('factor') end
  new_factor = math.max(least_factor, factor * 0.7)
  set('factor', new_factor)
  set('factor_until', now + learned_s)
  set('penalty_at', now)
end
if told > 0 and told < declared then
  if get('until:' .. id) <= now or get('learned:' .. id) ~= told then new_amount = told end
  set('learned:' .. id, told)
  set('until:' .. id, now + learned_s)
elseif told > 0 then
  redis.call('HDEL', key, 'learned:' .. id, 'until:' .. id)
end
if pause_s > 0 and now + pause_s > get('pause') then
  -- Many who were refused together make one pause.
  if get('pause') <= now then paused_for = pause_s end
  set('pause', now + pause_s)
  set('pause_why', why)
end
return {tostring(opened_for), tostring(paused_for), tostring(new_factor), tostring(new_amount)}
"""
)

# ARGV: margin, and for each limit: id, amount, period, burst, where nobody has asked yet. Changes nothing.
# Answers {pause left, why, circuit left, why, failures, is_open, then declared amount, period, burst, level, rate and
# present amount of each limit}.
STATE: Final = (
    _COMMON
    + """
local margin = tonumber(ARGV[1])
local open = get('open')
local answer = {
  tostring(math.max(0, get('pause') - now)), redis.call('HGET', key, 'pause_why') or '',
  tostring(math.max(0, open - now)), redis.call('HGET', key, 'open_why') or '',
  tostring(get('failures')), open > 0 and 1 or 0,
}
local limits = {}
for word in string.gmatch(redis.call('HGET', key, 'limits') or table.concat(ARGV, ' ', 2), '%S+') do
  limits[#limits + 1] = word
end
for i = 1, #limits, 4 do
  local declared, period, burst = tonumber(limits[i + 1]), tonumber(limits[i + 2]), tonumber(limits[i + 3])
  local level, rate, amount = read_bucket(limits[i], declared, period, burst, margin)
  for _, value in ipairs({declared, period, burst, math.max(0, level), rate, amount}) do
    answer[#answer + 1] = tostring(value)
  end
end
return answer
"""
)

# Forgets all but the buckets.
RESUME: Final = """
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(name, 1, 7) ~= 'tokens:' and string.sub(name, 1, 3) ~= 'at:' then redis.call('HDEL', KEYS[1], name) end
end
return 0
"""

# ARGV: the holder's token.
RELEASE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
# ARGV: the holder's token, milliseconds.
RENEW: Final = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
)
