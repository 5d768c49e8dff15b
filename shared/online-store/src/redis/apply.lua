-- Writes one chunk of a batch, unless a higher commit has begun or the batch before it is missing.
-- KEYS: begun, watermark, ready, then a key per state.
-- ARGV: commit, commit it goes on from ('' = any), '1' = not ready from here on,
--       'more' | 'complete' | 'ready', then a state per key.
-- Returns {0, nil} applied, {1, begun} stale, {2, begun or nil} unexpected.
local begun = redis.call('GET', KEYS[1])
if begun and tonumber(begun) > tonumber(ARGV[1]) then
  return {1, begun}
end
if ARGV[2] ~= '' and begun ~= ARGV[2] and begun ~= ARGV[1] then
  return {2, begun}
end
if ARGV[3] == '1' then
  redis.call('DEL', KEYS[3])
end
local sets = {KEYS[1], ARGV[1]}
for i = 4, #KEYS do
  sets[#sets + 1] = KEYS[i]
  sets[#sets + 1] = ARGV[i + 1]
end
if ARGV[4] ~= 'more' then
  sets[#sets + 1] = KEYS[2]
  sets[#sets + 1] = ARGV[1]
end
if ARGV[4] == 'ready' then
  sets[#sets + 1] = KEYS[3]
  sets[#sets + 1] = ARGV[1]
end
redis.call('MSET', unpack(sets))
return {0, false}
