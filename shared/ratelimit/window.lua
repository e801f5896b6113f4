-- Spends from a caller's sliding window, all of a cost or nothing of it.
--
-- KEYS[1] what was spent, a list of "time:cost:sum", the oldest first, where sum counts all costs since the list was empty.
-- KEYS[2] callers by their last call.
-- ARGV: window in us, the caller's own limit (0: none), capacity for all active callers (0: none), cost, now in us or
-- nothing for this server's clock. Answers "allowed limit remaining reset active"; reset is us until the oldest of what
-- was spent comes back or, when refused, until enough has.
--
-- A spend is noted at the end of its slice of the window, so that a list has at most 130 entries however busy the caller
-- is. What was spent comes back up to one slice late and never early: no window of this length holds more than the limit.
local window, limit, capacity = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local cost, now = tonumber(ARGV[4]), tonumber(ARGV[5])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local slice = math.floor(window / 128)
local at = (math.floor(now / slice) + 1) * slice

local function entry(index)
  local text = redis.call('LINDEX', KEYS[1], index)
  if not text then return nil, 0, 0 end
  local time, spent, sum = string.match(text, '(%d+):(%d+):(%d+)')
  return tonumber(time), tonumber(spent), tonumber(sum)
end

local last, last_spent, sum = entry(-1)
-- Nothing is spent a window from now, unless the clock was set back since: then the window begins anew.
if last and last > at + window then
  redis.call('DEL', KEYS[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[2], at, '+inf')
  last, last_spent, sum = nil, 0, 0
end
local active = 0
if capacity > 0 then
  if last ~= at then
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - window)
    redis.call('ZADD', KEYS[2], at, KEYS[1])
    redis.call('PEXPIRE', KEYS[2], math.ceil((window + slice) / 1000))
  end
  active = redis.call('ZCARD', KEYS[2])
  local share = math.max(1, math.floor(capacity / active))
  if limit == 0 or share < limit then limit = share end
end

local function answer(allowed, remaining, reset)
  return string.format('%d %d %d %d %d', allowed, limit, remaining, reset, active)
end

local oldest, spent, first_sum = entry(0)
while oldest and oldest + window <= now do
  redis.call('LPOP', KEYS[1])
  oldest, spent, first_sum = entry(0)
end
if not oldest then sum = 0 end
local used = sum - first_sum + spent

-- What costs more than everything waits for an empty window, not for ever.
cost = math.min(cost, limit)
if used + cost > limit then
  local index, back, free = 0, oldest, limit - used + spent
  while free < cost do
    index = index + 1
    back, spent = entry(index)
    free = free + spent
  end
  return answer(0, math.max(0, limit - used), back + window - now)
end

if last == at then
  redis.call('LSET', KEYS[1], -1, string.format('%d:%d:%d', at, last_spent + cost, sum + cost))
else
  redis.call('RPUSH', KEYS[1], string.format('%d:%d:%d', at, cost, sum + cost))
  redis.call('PEXPIRE', KEYS[1], math.ceil((window + slice) / 1000))
end
return answer(1, limit - used - cost, (oldest or at) + window - now)
